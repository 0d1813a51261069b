import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Dyno, onCleanUp, PACKAGE, start } from './dyno.js';

const LAUNCHER = join(import.meta.dirname, 'launcher.py');

/** A Python that reads TOML (3.11 or newer), or undefined: it plays the image's launcher. */
export const PYTHON = ['python3', '/usr/bin/python3']
  .map((python) => spawnSync(python, ['-c', 'import sys, tomllib; print(sys.executable)'], { encoding: 'utf8' }))
  .find(({ status }) => status === 0)
  ?.stdout.trim();

export interface Image {
  /** The app's directory, which is also the home of the image's user. */
  app: string;
  /** `<layers>/<buildpack>`: what the buildpack made. */
  layers: string;
  /** What detect and build printed. */
  output: string;
}

/** An app built by the buildpack's detect and build phase, called as a lifecycle calls a buildpack of API 0.10. */
export function image(): Image {
  const root = mkdtempSync(join(tmpdir(), 'cnb-'));
  chmodSync(root, 0o755);
  onCleanUp(() => rmSync(root, { recursive: true, force: true }));
  const [app, layers, platform, plan] = ['app', 'layers', 'platform', 'plan.toml'].map((name) => join(root, name)) as [
    string,
    string,
    string,
    string,
  ];
  for (const directory of [app, layers, join(platform, 'env')]) mkdirSync(directory, { recursive: true });
  return { app, layers, output: detect(app, platform, plan) + build({ app, layers }, platform, plan) };
}

const environment = (more: Record<string, string>) => ({ PATH: process.env.PATH, CNB_BUILDPACK_DIR: PACKAGE, ...more });

function detect(app: string, platform: string, plan: string): string {
  writeFileSync(plan, '');
  const env = environment({ CNB_PLATFORM_DIR: platform, CNB_BUILD_PLAN_PATH: plan });
  const output = execFileSync(join(PACKAGE, 'bin/detect'), [platform, plan], { cwd: app, env, encoding: 'utf8' });
  // Neither provides nor requires anything: the buildpack is in, whatever the others are.
  if (readFileSync(plan, 'utf8') !== '') throw new Error('detect wrote a plan');
  return output;
}

/** The build phase alone, again on the same layers. */
export function build({ app, layers }: Pick<Image, 'app' | 'layers'>, platform: string, plan: string): string {
  writeFileSync(plan, '');
  const env = environment({ CNB_LAYERS_DIR: layers, CNB_PLATFORM_DIR: platform, CNB_BP_PLAN_PATH: plan });
  return execFileSync(join(PACKAGE, 'bin/build'), [layers, platform, plan], { cwd: app, env, encoding: 'utf8' });
}

/** Starts a command as the image's entry point does: the exec.d programs, then the command in the same process. */
export function launched(
  { app, layers }: Image,
  command: readonly string[],
  config: Record<string, string>,
  home = app,
): Dyno {
  return start(PYTHON!, [LAUNCHER, layers, ...command], app, { HOME: home, ...config });
}
