import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Every process with its parent and arguments. */
async function processTable() {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const rows = await Promise.all(pids.map((pid) => readProcess(Number(pid)).catch(() => null)));
  return rows.filter(Boolean);
}

async function readProcess(pid) {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const [, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const args = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
  return { pid, parent: Number(parent), args };
}

/** The processes of one cluster of an installation: its gateway, and its PostgreSQL with all children. */
export async function clusterProcesses(home, cluster) {
  const table = await processTable();
  const gateway = table.find(({ args }) => args.includes(join(home, 'run', cluster, 'gw')));
  const data = join(home, 'clusters', cluster, 'postgres/data');
  const server = table.find(({ args }) => args[1] === '-D' && args[2] === data);
  if (!gateway || !server) throw new Error(`The processes of the cluster ${cluster} were not found.`);
  const children = table.filter(({ parent }) => parent === server.pid);
  return { gateway: gateway.pid, postgres: [server.pid, ...children.map(({ pid }) => pid)] };
}

/** Proportional set size in MB: private memory, and of what is shared its share. Linux only. */
export async function proportionalMegabytes(pids) {
  const sizes = await Promise.all(
    pids.map(async (pid) => {
      const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => ''); // gone meanwhile
      return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0);
    }),
  );
  return sizes.reduce((sum, size) => sum + size, 0) / 1024;
}
