import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { until } from './until.js';

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

const isTunnel = (name: string) => name.startsWith('tunnel.');

async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'image-'));
  try {
    return await work(folder);
  } finally {
    // An image has a network of its own; here the tunnel has to be gone before the next one can have its port.
    const tunnels = join(folder, '.borealis-pg');
    await until('the tunnel to end', () => !existsSync(tunnels) || !readdirSync(tunnels).some(isTunnel));
    rmSync(folder, { recursive: true, force: true });
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
