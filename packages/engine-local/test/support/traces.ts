import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import type { GatewayEndpoint } from '@borealis/engine';
import { withoutChildren } from '../../../../test/support/processes.js';
import { homePaths } from '../../src/home/paths.js';
import { findProcesses, type ProcessIdentity } from '../../src/system/process-identity.js';

/** The processes of one cluster, found from outside: by what stands in their arguments. */
export async function processesOf(
  home: string,
  id: string,
): Promise<{ servers: ProcessIdentity[]; gateways: ProcessIdentity[] }> {
  const paths = homePaths(home).cluster(id);
  return {
    servers: withoutChildren(await findProcesses(null, paths.data)),
    gateways: await findProcesses(null, paths.gatewayLink),
  };
}

/** Everything that is left of a cluster: files, processes, system users. Empty after a destroy. */
export async function tracesOf(home: string, id: string): Promise<string[]> {
  const paths = homePaths(home).cluster(id);
  const { servers, gateways } = await processesOf(home, id);
  const accounts = (await readFile('/etc/passwd', 'utf8')) + (await readFile('/etc/group', 'utf8'));
  const names = new RegExp(`^b(?:pg|gw)-${await homeId(home)}-${id}:`, 'gm');
  return [
    ...[paths.directory, paths.run].filter((path) => existsSync(path)),
    ...[...servers, ...gateways].map(({ pid }) => `process ${pid}`),
    ...(accounts.match(names) ?? []),
  ];
}

async function homeId(home: string): Promise<string> {
  return (JSON.parse(await readFile(homePaths(home).identity, 'utf8')) as { id: string }).id;
}

/** True when something accepts connections there. */
export function isListening({ host, port }: GatewayEndpoint): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
