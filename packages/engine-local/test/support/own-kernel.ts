import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const VITEST = join(ROOT, 'node_modules/vitest/vitest.mjs');
/** That of all tests would look for PostgreSQL first. */
const CONFIG = fileURLToPath(new URL('own-kernel.config.mjs', import.meta.url));
const PATIENCE_MS = 600_000;
const PROGRAMS = ['/usr/bin/linux.uml', '/usr/sbin/cryptsetup', '/usr/sbin/modprobe', '/usr/sbin/mkfs.xfs'];

/** Debian's user-mode Linux: a kernel with dm-crypt that runs as a process, on this machine's files. */
export const hasOwnKernel = process.platform === 'linux' && PROGRAMS.every((program) => existsSync(program));

export interface Report {
  numPassedTests: number;
  numFailedTests: number;
  testResults: { assertionResults: { status: string; fullName: string; failureMessages: string[] }[] }[];
}

/** False where such a kernel cannot even start, as in a sandbox that forbids tracing processes. */
export async function boots(): Promise<boolean> {
  const directory = await mkdtemp(join(tmpdir(), 'uml-'));
  try {
    const init = join(directory, 'init');
    await writeFile(init, '#!/bin/bash\necho It is up.\nhalt -f\n', { mode: 0o755 });
    return (await boot(init)).includes('It is up.');
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/**
 * Runs the tests of a file whose names match as root of a kernel of their own, and gives the report; throws with what was printed when
 * there is none.
 */
export async function runInOwnKernel(file: string, names: string): Promise<Report> {
  const directory = await mkdtemp(join(tmpdir(), 'uml-'));
  try {
    const [init, report] = [join(directory, 'init'), join(directory, 'report.json')];
    const vitest = [
      'run',
      file,
      '--config',
      CONFIG,
      '--testNamePattern',
      names,
      '--reporter=json',
      '--outputFile',
      report,
    ];
    await writeFile(init, script([process.execPath, VITEST, ...vitest]), { mode: 0o755 });
    const printed = await boot(init);
    const text = await readFile(report, 'utf8').catch(() => {
      throw new Error(`the kernel ended without a report: ${printed.slice(-2000)}`);
    });
    return JSON.parse(text) as Report;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The kernel's first process. What the test writes goes to memory: this machine's files, as that kernel sees them, can take no room in advance. */
function script(command: string[]): string {
  return `#!/bin/bash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TMPDIR=/run/tests
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o size=1500m tmp /run
mkdir -p /run/tests /run/lib/modules /dev/shm
mount -t tmpfs shm /dev/shm
ip link set lo up
ln -s /usr/lib/uml/modules/$(uname -r) /run/lib/modules/
for module in loop dm-mod cbc aes_generic sha256_generic xts dm-crypt; do modprobe -d /run $module; done
cd ${quoted(ROOT)}
${command.map(quoted).join(' ')}
halt -f
`;
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

async function boot(init: string): Promise<string> {
  const options = ['mem=2G', 'rootfstype=hostfs', 'rw', 'quiet', 'con=null', 'con0=fd:0,fd:1', `init=${init}`];
  const kernel = spawn('/usr/bin/linux.uml', options, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let printed = '';
  for (const stream of [kernel.stdout, kernel.stderr])
    stream.on('data', (chunk: Buffer) => {
      printed += chunk;
    });
  const timer = setTimeout(() => process.kill(-kernel.pid!, 'SIGKILL'), PATIENCE_MS);
  await once(kernel, 'close').finally(() => clearTimeout(timer));
  return printed;
}
