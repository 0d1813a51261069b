import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import {
  canDmCrypt,
  createPool,
  findPool,
  growPool,
  hasDeviceMapper,
  type KeySource,
  type Pool,
  type PoolStatus,
  poolStatus,
  rekeyPool,
  toGiB,
} from '@borealis/engine-local';
import type { Config } from './config.js';
import { Failure } from './failure.js';
import { placeHome } from './home.js';
import { configuredPool } from './home-pool.js';
import { ensurePrograms, POOL_PROGRAMS } from './requirements.js';

const DEFAULT_SIZE = '20G';
const UNITS: Record<string, number> = { M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** `borealis pool …` on the configured home; returns the exit status. */
export async function poolCommand(config: Config, [verb = '', ...args]: string[]): Promise<number> {
  const verbs: Record<string, (config: Config, args: string[]) => Promise<number>> = { init, status, grow, rekey };
  const run = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined;
  if (!run)
    throw new Failure(
      'Say what to do: borealis pool init, borealis pool status, borealis pool grow or borealis pool rekey.',
    );
  return run(config, args);
}

async function init(config: Config, args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      size: { type: 'string', default: DEFAULT_SIZE },
      path: { type: 'string' },
      'key-file': { type: 'string' },
      'key-command': { type: 'string' },
      unencrypted: { type: 'boolean', default: false },
    },
  });
  const key = keySource(values['key-file'], values['key-command'], values.unencrypted);
  const sizeBytes = parseSize(values.size);
  refuseWithoutRoot();
  ensurePrograms(say, POOL_PROGRAMS.fileSystem);
  const encryptedBy = key === null ? undefined : await chooseEncryption();
  const home = await placeHome(config.home, say);
  const place = values.path ? resolve(values.path) : undefined;
  const done = await createPool({ home, sizeBytes, place, key, encryptedBy });
  say(done === 'made' ? 'The pool is made; "borealis up" mounts it.' : 'The pool is there already.');
  return show(await poolOf(config), false);
}

function keySource(
  file: string | undefined,
  command: string | undefined,
  unencrypted: boolean,
): KeySource | null | undefined {
  if ([file !== undefined, command !== undefined, unencrypted].filter(Boolean).length > 1)
    throw new Failure('Choose one of --key-file, --key-command and --unencrypted.');
  if (unencrypted) return null;
  if (command !== undefined) return { command };
  return file === undefined ? undefined : { file: resolve(file) };
}

function refuseWithoutRoot(): void {
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    throw new Failure(
      'A pool needs root on Linux, because it is a file system of its own; without one the home is used as it is.',
    );
}

/** The kernel is faster; where it cannot, a process does it. */
async function chooseEncryption(): Promise<Pool['encryptedBy']> {
  if (await hasDeviceMapper()) {
    ensurePrograms(say, POOL_PROGRAMS['dm-crypt']);
    if (await canDmCrypt()) return 'dm-crypt';
  }
  ensurePrograms(say, POOL_PROGRAMS['storage-daemon']);
  refuseWithoutFuse();
  return 'storage-daemon';
}

function refuseWithoutFuse(): void {
  if (!existsSync('/dev/fuse'))
    throw new Failure(
      'This kernel has no dm-crypt and there is no /dev/fuse, one of which an encrypted pool needs: load the module "fuse", or make a pool that is not encrypted with --unencrypted.',
    );
}

/** Whole MiB, given as `20G`. */
export function parseSize(text: string): number {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)\s*([MGT])(?:i?B)?$/i.exec(text);
  if (!match) throw new Failure(`"${text}" is not a size: write it as 512M, 20G or 1.5T.`);
  return Math.floor((Number(match[1]) * UNITS[match[2]!.toUpperCase()]!) / UNITS.M!) * UNITS.M!;
}

async function status(config: Config, args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { json: { type: 'boolean', default: false } } });
  return show(await poolOf(config), values.json);
}

async function grow(config: Config, args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { size: { type: 'string' } } });
  if (!values.size) throw new Failure('Say how large it shall be: borealis pool grow --size 40G.');
  refuseWithoutRoot();
  await growPool(await poolOf(config), parseSize(values.size));
  return show(await poolOf(config), false);
}

async function rekey(config: Config, args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: { 'key-file': { type: 'string' }, 'key-command': { type: 'string' } },
  });
  const key = keySource(values['key-file'], values['key-command'], false);
  if (!key) throw new Failure('Say where the new key is: borealis pool rekey --key-file F, or --key-command C.');
  refuseWithoutRoot();
  await rekeyPool(await poolOf(config), key);
  say(
    'The new key opens the pool, and the former one does not any more. Copies of the image from before open with that.',
  );
  if (config.poolKey)
    say('BOREALIS_POOL_KEY_FILE or BOREALIS_POOL_KEY_COMMAND is set: take it out, or have it name the new key.');
  return show((await findPool(config.home))!, false);
}

async function poolOf(config: Config): Promise<Pool> {
  const pool = await configuredPool(config);
  if (pool) return pool;
  throw new Failure(`${config.home} has no pool: its files are where the home is. "borealis pool init" makes one.`);
}

async function show(pool: Pool, json: boolean): Promise<number> {
  const found = await poolStatus(pool);
  say(json ? JSON.stringify(found, null, 2) : describePool(found).join('\n'));
  return found.state === 'broken' || found.state === 'unfinished' ? 1 : 0;
}

/** Below this share of free room it is time to grow. */
const LOW = 0.1;

/** The pool in sentences. */
export function describePool(pool: PoolStatus): string[] {
  const states = {
    mounted: 'is mounted',
    unmounted: 'is not mounted: "borealis up" does it',
    broken: 'is mounted, but nothing can be read there: "borealis up" repairs it',
    unfinished: 'was not finished: run "borealis pool init" again',
  };
  const room = pool.freeBytes === null ? '' : `, ${toGiB(pool.freeBytes)} of it free`;
  return [
    `The pool of ${pool.home} ${states[pool.state]}.`,
    `It is ${pool.image}, ${toGiB(pool.sizeBytes)}${room}.`,
    ...encryptionSentences(pool),
    ...(pool.dataAtRest && !pool.dataAtRest.copyOnWrite
      ? ['Copies do not share blocks: each takes its whole size.']
      : []),
    ...(pool.sparedByOomKiller === false
      ? ['This machine does not let its storage daemon be spared when memory is short: keep enough of it free.']
      : []),
    ...(pool.freeBytes !== null && pool.freeBytes < LOW * pool.sizeBytes
      ? ['It is nearly full: "borealis pool grow --size N" makes it larger while everything runs.']
      : []),
  ];
}

function encryptionSentences({ key, keyBesideImage, dataAtRest }: PoolStatus): string[] {
  if (key === null) return ['IT IS NOT ENCRYPTED: whoever gets the disk can read everything.'];
  const from = 'file' in key ? `the file ${key.file}` : `the command "${key.command}"`;
  return [
    dataAtRest && dataAtRest.encryption === null
      ? 'Its encryption cannot be found in what is mounted: do not rely on it.'
      : `It is encrypted with ${dataAtRest?.encryption ?? 'AES-256'}; the key comes from ${from}.`,
    ...(keyBesideImage
      ? [
          'The key lies on the same disk as the pool: whoever gets that disk can read everything. Move it elsewhere, and keep a copy.',
        ]
      : []),
  ];
}
