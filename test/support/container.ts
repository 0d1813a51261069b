import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const BUILDPACK = resolve(import.meta.dirname, '../../packages/buildpack');

/** A Python that reads TOML plays the launcher of a Cloud Native image. */
export const launcher = {
  needs: 'Python 3.11',
  installed: () => spawnSync('python3', ['-c', 'import tomllib']).status === 0,
};

/** Runs a Node.js program in a folder laid out like an image, with nothing but these config vars; returns what it printed. */
async function runIn(
  folder: string,
  program: string,
  config: Record<string, string>,
  start: string[],
): Promise<string> {
  cpSync(program, join(folder, 'app.cjs'));
  const env = { PATH: process.env.PATH, HOME: folder, ...config };
  return (await promisify(execFile)(start[0]!, start.slice(1), { cwd: folder, env })).stdout;
}

async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'image-'));
  try {
    return await work(folder);
  } finally {
    // The tunnel may just be removing its own files.
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Builds a Cloud Native image's layer and starts the program as its launcher does. */
export const inCloudNativeImage = (program: string, config: Record<string, string>): Promise<string> =>
  withFolder((folder) => {
    const layers = join(folder, 'layers');
    mkdirSync(layers);
    execFileSync(join(BUILDPACK, 'bin/build'), { cwd: folder, env: { ...process.env, CNB_LAYERS_DIR: layers } });
    const script = join(BUILDPACK, 'test/support/launcher.py');
    return runIn(folder, program, config, ['python3', script, layers, process.execPath, 'app.cjs']);
  });

/** Starts the program by a Dockerfile's command, beside the one script. */
export const inDockerfile = (program: string, config: Record<string, string>): Promise<string> =>
  withFolder((folder) => {
    cpSync(join(BUILDPACK, 'profile.d'), folder, { recursive: true });
    const command = `./borealis-pg-init-secure-tunnel.sh exec ${process.execPath} app.cjs`;
    return runIn(folder, program, config, ['/bin/sh', '-c', command]);
  });
