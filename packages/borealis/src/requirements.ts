import { spawnSync } from 'node:child_process';
import type { Failure as FailureType } from './failure.js';
import { Failure } from './failure.js';

/** A program of the system that this machine needs, and the Debian package that brings it. */
interface Program {
  program: string;
  probe: readonly string[];
  debian: string;
  what: string;
}

const PROGRAMS: readonly Program[] = [
  { program: 'ssh', probe: ['-V'], debian: 'openssh-client', what: 'tunnels are opened with the machine’s own ssh' },
  { program: 'bash', probe: ['--version'], debian: 'bash', what: 'dynos start in bash' },
  { program: 'tar', probe: ['--version'], debian: 'tar', what: 'PostgreSQL releases come as archives' },
];

/** What pools are made of and run by. */
export const POOL_PROGRAMS = {
  fileSystem: [{ program: 'mkfs.xfs', probe: ['-V'], debian: 'xfsprogs', what: 'the file system of a pool' }],
  'dm-crypt': [
    { program: 'cryptsetup', probe: ['--version'], debian: 'cryptsetup-bin', what: 'the kernel encrypts with it' },
  ],
  'storage-daemon': [
    { program: 'qemu-img', probe: ['--version'], debian: 'qemu-utils', what: 'it makes encrypted images' },
    {
      ...{ program: 'qemu-storage-daemon', probe: ['--version'], debian: 'qemu-system-common' },
      what: 'it opens encrypted images',
    },
  ],
} satisfies Record<string, readonly Program[]>;

/** `su` without a login shell leaves the administrators' directories out. */
const PATH = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`;

function isThere(program: string, probe: readonly string[]): boolean {
  return spawnSync(program, probe, { stdio: 'ignore', env: { ...process.env, PATH } }).error === undefined;
}

/** The refusal for a platform without PostgreSQL packages; null where there are some. */
export function platformRefusal(platform: string, arch: string): FailureType | null {
  const known = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'];
  if (known.includes(`${platform}-${arch}`)) return null;
  return new Failure(`Borealis does not run on ${platform}-${arch}; it runs on ${known.join(', ')}.`);
}

/** Makes sure that the needed programs are there: root on Debian gets them installed, others are told the command. */
export function ensurePrograms(say: (line: string) => void, programs: readonly Program[] = PROGRAMS): void {
  const missing = programs.filter(({ program, probe }) => !isThere(program, probe));
  if (missing.length === 0) return;
  const packages = missing.map(({ debian }) => debian);
  const reasons = missing.map(({ program, what }) => `${program} is missing (${what})`).join(', ');
  if (process.getuid?.() !== 0 || !isThere('apt-get', ['--version'])) {
    throw new Failure(
      `${reasons}: install it, on Debian and Ubuntu with "sudo apt-get install ${packages.join(' ')}".`,
    );
  }
  say(`${reasons}: installing ${packages.join(', ')} with apt-get.`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  spawnSync('apt-get', ['update', '-q'], { stdio: 'ignore', env });
  const result = spawnSync('apt-get', ['install', '-qy', '--no-install-recommends', ...packages], {
    encoding: 'utf8',
    env,
  });
  if (result.status !== 0)
    throw new Failure(`apt-get could not install ${packages.join(', ')}: ${result.stderr.trim().split('\n').at(-1)}`);
}
