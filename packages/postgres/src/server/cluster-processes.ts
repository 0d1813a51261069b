import { createHash } from 'node:crypto';
import { listProcesses, type ProcessInfo } from './processes.js';

/**
 * The name that every process of a server carries in its title (`postgres: NAME: …`). It tells whose a backend is after
 * its postmaster died, when neither a parent nor a pid file does.
 */
export function clusterName(dataDirectory: string): string {
  return `borealis-${createHash('sha256').update(dataDirectory).digest('hex').slice(0, 16)}`;
}

/** True for the arguments of a postmaster of that data directory. */
export function isPostmasterOf(dataDirectory: string, command: string): boolean {
  return command.includes(' -D ') && `${command.split(' -D ')[1]} `.startsWith(`${dataDirectory} `);
}

/** The processes of a server other than its postmaster, among all or those given. */
export async function backendsOf(postmaster: number, given?: readonly ProcessInfo[]): Promise<ProcessInfo[]> {
  const all = given ?? (await listProcesses());
  return all.filter((found) => found.parent === postmaster);
}

/** Processes of a server that outlived its postmaster, among all or those given. */
export async function orphansOf(dataDirectory: string, given?: readonly ProcessInfo[]): Promise<ProcessInfo[]> {
  const title = `postgres: ${clusterName(dataDirectory)}: `;
  const all = given ?? (await listProcesses());
  const postmasters = new Set(
    all.filter(({ command }) => isPostmasterOf(dataDirectory, command)).map(({ pid }) => pid),
  );
  return all.filter((found) => found.command.startsWith(title) && !postmasters.has(found.parent));
}
