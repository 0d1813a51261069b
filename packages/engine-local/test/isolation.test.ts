import { execFileSync } from 'node:child_process';
import { rename } from 'node:fs/promises';
import { cacheDirectory } from '@borealis/postgres';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ClusterPaths, homePaths } from '../src/home/paths.js';
import { type Keeper, startKeeper } from '../src/keeper.js';
import { findOsUser } from '../src/system/os-users.js';
import { eventually, GENEROUS, gatewayBundle, isRoot, SPEC, temporaryDirectory, untilReady } from './support/home.js';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let paths: ClusterPaths;
let keeper: Keeper;

const start = () => {
  const log = pino({ level: 'silent' });
  const home = `${directory.path}/home`;
  return startKeeper({ home, cacheDir: cacheDirectory(), gatewayBundle: gatewayBundle(), log });
};

beforeAll(async () => {
  directory = await temporaryDirectory();
  paths = homePaths(`${directory.path}/home`).cluster('isolated');
  keeper = await start();
  await keeper.engine.createCluster('isolated', SPEC);
  await untilReady(keeper.engine, 'isolated');
}, GENEROUS);

afterAll(async () => {
  await keeper.engine.destroyCluster('isolated');
  await keeper.stop({ clusters: true });
  await directory.remove();
}, GENEROUS);

/** True when a process of that user may open the path: a socket by connecting, anything else by reading. */
function mayOpen(path: string, user: { uid: number; gid: number }): boolean {
  const script = `const { net, fs } = { net: require('net'), fs: require('fs') };
    const fail = () => process.exit(3);
    if (process.argv[1].includes('.PGSQL.') || process.argv[1].endsWith('.sock'))
      net.connect(process.argv[1]).on('error', fail).on('connect', () => process.exit(0));
    else try { fs.statSync(process.argv[1]).isDirectory() ? fs.readdirSync(process.argv[1]) : fs.readFileSync(process.argv[1]); } catch { fail(); }`;
  try {
    execFileSync(process.execPath, ['-e', script, path], { ...user, cwd: '/', env: {}, stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

test.skipIf(!isRoot)(
  'every part of a cluster opens to its own user only (as root)',
  async () => {
    const id = /b?pg-(\w{6})-/.exec(execFileSync('stat', ['-c', '%U', paths.postgres]).toString())![1];
    const gateway = (await findOsUser(`bgw-${id}-isolated`))!;
    const postgres = (await findOsUser(`bpg-${id}-isolated`))!;
    const nobody = { uid: 65_534, gid: 65_534 };
    const socket = `${paths.socketDirectory}/.s.PGSQL.5432`;
    const config = `${paths.gateway}/gateway.json`;
    const control = `${paths.gatewayLink}/control.sock`;
    const rpc = homePaths(`${directory.path}/home`).socket;
    const allowed = (user: { uid: number; gid: number }) =>
      [socket, config, control, paths.data, paths.record, rpc].map((path) => mayOpen(path, user));
    expect(allowed({ uid: gateway.uid, gid: gateway.gid })).toEqual([true, true, true, false, false, false]);
    expect(allowed({ uid: postgres.uid, gid: postgres.gid })).toEqual([true, false, false, true, false, false]);
    expect(allowed(nobody)).toEqual([false, false, false, false, false, false]);
  },
  GENEROUS,
);

test(
  'lost data is told and never replaced by an empty database',
  async () => {
    await keeper.stop({ clusters: true });
    await rename(paths.data, `${paths.data}.aside`);
    keeper = await start();
    const state = await eventually('the sentence', async () => {
      const found = await keeper.engine.cluster('isolated');
      return found?.detail.includes('is gone; put it back') ? found : null;
    });
    expect(state.phase).toBe('recovering');
    await rename(`${paths.data}.aside`, paths.data);
    await untilReady(keeper.engine, 'isolated');
  },
  GENEROUS,
);
