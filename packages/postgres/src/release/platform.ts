import { homedir } from 'node:os';
import { join } from 'node:path';
import { ReleaseError } from './release-error.js';

const SUPPORTED = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'];

/** Where releases are kept: `BOREALIS_CACHE`, else a system directory for root, else the user's own cache directory. */
export function cacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  if (env.BOREALIS_CACHE) return env.BOREALIS_CACHE;
  // Servers run as another user than root, who must not need to pass through root's home.
  if (process.getuid?.() === 0) return '/var/cache/borealis';
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'borealis');
}

/** The name of this machine's kind of build, such as `linux-x64`; throws `unsupported` where PostgreSQL has none. */
export function supportedPlatform(): string {
  const platform = `${process.platform}-${process.arch}`;
  if (!SUPPORTED.includes(platform)) {
    throw new ReleaseError(
      'unsupported',
      `PostgreSQL cannot be run on ${platform} here; supported are ${SUPPORTED.join(', ')}.`,
    );
  }
  if (process.platform === 'linux' && !usesGlibc()) {
    throw new ReleaseError(
      'unsupported',
      'PostgreSQL needs a Linux with the GNU C library; this one has another (musl).',
    );
  }
  return platform;
}

function usesGlibc(): boolean {
  const report = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return report.header.glibcVersionRuntime !== undefined;
}
