import { readFile } from 'node:fs/promises';

/** What processes take of the machine, by pid, in bytes. Empty on systems other than Linux. */
export interface ProcessUse {
  /** Memory of its own, and what it maps beside the server's shared memory. */
  memory: Map<number, number>;
  /** Handed to the kernel to be written, since the process began. */
  written: Map<number, number>;
}

/** Reads it; processes that have ended are left out. */
export async function readProcessUse(pids: readonly number[]): Promise<ProcessUse> {
  const use: ProcessUse = { memory: new Map(), written: new Map() };
  if (process.platform !== 'linux') return use;
  for (const pid of pids) {
    const [status, io] = await Promise.all([read(pid, 'status'), read(pid, 'io')]);
    const kiB = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
    use.memory.set(pid, (kiB('RssAnon') + kiB('RssFile')) * 1024);
    use.written.set(pid, Number(/^wchar: (\d+)/m.exec(io)?.[1] ?? 0));
  }
  return use;
}

function read(pid: number, file: string): Promise<string> {
  return readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
}
