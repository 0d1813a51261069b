import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Secret } from '@borealis/contract';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createPool, SMALLEST_POOL } from '../src/pool/create.js';
import { dataAtRest } from '../src/pool/data-at-rest.js';
import { dmCryptSlots } from '../src/pool/dm-crypt-slots.js';
import { growPool } from '../src/pool/enlarge.js';
import { withKeyDescriptors } from '../src/pool/key.js';
import { findPool, type KeySource, type Pool, poolPaths, refuseUnmounted, savePool } from '../src/pool/pool.js';
import { poolStatus } from '../src/pool/pool-status.js';
import { rekeyPool } from '../src/pool/rekey.js';
import { runTool } from '../src/pool/tool.js';
import { usePool } from '../src/pool/use.js';
import { eventually, GENEROUS } from './support/home.js';
import {
  canEncrypt,
  canPool,
  commandLine,
  daemonsIn,
  hasCryptsetup,
  hasDmCrypt,
  poolDirectory,
  tracesOfPools,
} from './support/pool.js';

const plainTest = test.skipIf(!canPool);
const fullTest = test.skipIf(!canPool || process.env.BOREALIS_TEST !== 'full');
const encryptedTest = test.skipIf(!canEncrypt || process.env.BOREALIS_TEST !== 'full');
const slotsTest = test.skipIf(!hasCryptsetup || process.env.BOREALIS_TEST !== 'full');
const kernelTest = test.skipIf(!hasDmCrypt);
const encryptedBy = 'storage-daemon';
/** What a process of its own imports. */
const ENGINE = fileURLToPath(new URL('../dist/index.js', import.meta.url));
const NEEDS = '(needs root, loop devices, xfsprogs';

let directory: Awaited<ReturnType<typeof poolDirectory>>;
let home: string;

beforeEach(async () => {
  directory = await poolDirectory();
  home = directory.home;
});
afterEach(() => directory.remove(), GENEROUS);

async function pool(): Promise<Pool> {
  const found = await findPool(home);
  if (!found) throw new Error('no pool');
  return found;
}

plainTest(
  `a pool that is not encrypted shares blocks between copies, and says that it is not encrypted ${NEEDS})`,
  async () => {
    expect(await createPool({ home, sizeBytes: SMALLEST_POOL, key: null })).toBe('made');
    expect(await createPool({ home, sizeBytes: SMALLEST_POOL, key: null })).toBe('adopted');
    await expect(createPool({ home, sizeBytes: 2 * SMALLEST_POOL, key: null })).rejects.toThrow('has a pool already');
    await expect(refuseUnmounted(home)).rejects.toThrow('is not mounted');
    const used = await usePool(await pool());
    expect(used.how).toBe('mounted');
    expect((await dataAtRest(home)).copyOnWrite).toBe(true);
    expect(await poolStatus(await pool())).toMatchObject({ state: 'mounted', key: null, sizeBytes: SMALLEST_POOL });
    await expect(usePool(await pool())).rejects.toThrow(
      `already running on the pool of ${home} (process ${process.pid})`,
    );
    await writeFile(join(home, 'row'), 'kept');
    await used.release();
    expect(await tracesOfPools(directory.path)).toEqual([]);
    expect(await readdir(home)).toEqual(['pool.json']);
    const again = await usePool(await pool());
    expect(await readFile(join(home, 'row'), 'utf8')).toBe('kept');
    await again.release();
  },
  GENEROUS,
);

fullTest(
  `a pool in use stays mounted, and who uses it is named ${NEEDS})`,
  async () => {
    await createPool({ home, sizeBytes: SMALLEST_POOL, key: null });
    const used = await usePool(await pool());
    const user = spawn('sleep', ['600'], { cwd: home, stdio: 'ignore' });
    try {
      await eventually('the user', async () => commandLine(user.pid!).startsWith('sleep'));
      await expect(used.release()).rejects.toThrow(`sleep (process ${user.pid}) still uses it`);
      expect((await poolStatus(await pool())).state).toBe('mounted');
    } finally {
      user.kill('SIGKILL');
    }
    const adopted = await usePool(await pool());
    expect(adopted.how).toBe('adopted');
    await adopted.release();
  },
  GENEROUS,
);

plainTest(`what is in the way is refused, and nothing is changed ${NEEDS})`, async () => {
  await mkdir(home);
  await writeFile(join(home, 'ports.json'), '{}');
  await expect(createPool({ home, sizeBytes: SMALLEST_POOL })).rejects.toThrow('holds data already');
  await rm(join(home, 'ports.json'));
  await expect(createPool({ home, sizeBytes: SMALLEST_POOL - 1 })).rejects.toThrow('at least 512 MiB');
  await expect(createPool({ home, sizeBytes: 2 ** 60 })).rejects.toThrow('There is no room');
  const key = join(directory.path, 'key');
  await writeFile(key, 'a key that others can read', { mode: 0o644 });
  await expect(createPool({ home, sizeBytes: SMALLEST_POOL, key: { file: key } })).rejects.toThrow('mode 0600');
  await chmod(key, 0o600);
  await writeFile(key, 'too short');
  await expect(createPool({ home, sizeBytes: SMALLEST_POOL, key: { file: key } })).rejects.toThrow('has 9 bytes');
  await expect(
    createPool({ home, sizeBytes: SMALLEST_POOL, key: { command: 'echo half a key; exit 3' } }),
  ).rejects.toThrow('The key command ended with status 3');
  expect(await findPool(home)).toBeNull();
  expect(await tracesOfPools(directory.path)).toEqual([]);
});

encryptedTest(
  `an encrypted pool opens with its key alone, outlives a crash, and loses nothing with its daemon ${NEEDS}, qemu-utils, qemu-system-common)`,
  async () => {
    const key = join(directory.path, 'key');
    await createPool({ home, sizeBytes: SMALLEST_POOL, key: { file: key }, encryptedBy });
    const secret = (await readFile(key, 'utf8')).trim();
    expect((await stat(key)).mode & 0o777).toBe(0o600);

    const used = await usePool(await pool());
    expect(await dataAtRest(home)).toEqual({ encryption: 'AES-256-XTS (LUKS)', copyOnWrite: true });
    const [daemon] = await daemonsIn(directory.path);
    for (const file of ['cmdline', 'environ', 'fd/3'])
      expect(await readFile(`/proc/${daemon}/${file}`, 'latin1')).not.toContain(secret);
    await writeFile(join(home, 'row'), 'a row that must not be readable', { flush: true });
    execFileSync('sync', ['--file-system', home]);
    expect(await contains(`${home}.pool/pool.luks`, 'a row that must not be readable')).toBe(false);

    const reader = spawn('tail', ['--follow', join(home, 'row')], { stdio: 'ignore' });
    const ended = once(reader, 'exit');
    process.kill(daemon!, 'SIGKILL');
    await eventually('the pool to be lost', async () => !(await used.works()));
    expect((await poolStatus(await pool())).state).toBe('broken');
    await used.repair();
    await ended;
    expect(await used.works()).toBe(true);
    expect(await readFile(join(home, 'row'), 'utf8')).toBe('a row that must not be readable');
    await used.release();
    expect(await tracesOfPools(directory.path)).toEqual([]);

    await writeFile(key, 'another key, and not the one that it was');
    await expect(usePool(await pool())).rejects.toThrow('The key does not open');
    await rm(key);
    await expect(usePool(await pool())).rejects.toThrow('cannot be read (ENOENT)');
    expect(await tracesOfPools(directory.path)).toEqual([]);
    const kept = await usePool({ ...(await pool()), key: { command: `printf %s ${secret}` } });
    expect(await readFile(join(home, 'row'), 'utf8')).toContain('a row');
    await kept.release();
  },
  GENEROUS,
);

encryptedTest(
  `another key takes the place of a pool's, which one of them opens wherever that is killed ${NEEDS}, qemu-utils, qemu-system-common)`,
  async () => {
    const [first, second, third] = ['first', 'second', 'third'].map((name) => ({ file: join(directory.path, name) }));
    await createPool({ home, sizeBytes: SMALLEST_POOL, key: first!, encryptedBy });
    const used = await usePool(await pool());
    await writeFile(join(home, 'row'), 'kept', { flush: true });
    await expect(rekeyPool(await pool(), second!)).rejects.toThrow('cannot be changed: stop');
    await used.release();
    await expect(rekeyPool(await pool(), first!)).rejects.toThrow('must come from elsewhere');
    await expect(rekeyPool(await pool(), { command: `cat ${first!.file}` })).rejects.toThrow('has already');
    expect(existsSync(second!.file)).toBe(false);

    const isBegun = async () => (await pool()).rekeying !== undefined;
    const isInPlace = async () => JSON.stringify((await pool()).key) === JSON.stringify(second);
    for (const reached of [isBegun, isInPlace]) {
      await killed(`rekeyPool(await findPool(${JSON.stringify(home)}), ${JSON.stringify(second)})`, reached);
      await expectRow();
    }
    // The kill may have come too late.
    if (await isBegun()) {
      await expect(rekeyPool(await pool(), third!)).rejects.toThrow('finish it first');
      await rekeyPool(await pool(), second!);
    }
    expect(await pool()).toMatchObject({ key: second });
    expect(await isBegun()).toBe(false);
    await expectRow();
    await expect(usePool({ ...(await pool()), key: first! })).rejects.toThrow('The key does not open');
    await writeFile(second!.file, 'a key that opens nothing', { mode: 0o600 });
    await expect(rekeyPool(await pool(), third!)).rejects.toThrow('does not open');
    expect(await tracesOfPools(directory.path)).toEqual([]);
  },
  GENEROUS,
);

slotsTest(
  `a key is added to an image that the kernel encrypts, and another one taken away ${NEEDS}, cryptsetup)`,
  async () => {
    const image = join(directory.path, 'image');
    const [first, second] = ['the first key', 'the second one'].map((text) => new Secret(Buffer.from(text)));
    await writeFile(image, Buffer.alloc(24 * 1024 * 1024));
    const format = ['luksFormat', '--type', 'luks2', '--batch-mode', '--pbkdf', 'pbkdf2', '--iter-time', '100'];
    await withKeyDescriptors([first!], (descriptors) =>
      runTool('cryptsetup', [...format, '--key-file', '/proc/self/fd/3', image], { descriptors }),
    );
    const opening = async () => [await dmCryptSlots.opens(image, first!), await dmCryptSlots.opens(image, second!)];
    expect(await opening()).toEqual([true, false]);
    await dmCryptSlots.add(image, first!, second!, 'random');
    expect(await opening()).toEqual([true, true]);
    await dmCryptSlots.remove(image, second!, first!);
    expect(await opening()).toEqual([false, true]);
  },
  GENEROUS,
);

async function expectRow(): Promise<void> {
  const used = await usePool(await pool());
  expect(await readFile(join(home, 'row'), 'utf8')).toBe('kept');
  await used.release();
}

async function contains(file: string, text: string): Promise<boolean> {
  return (await readFile(file)).includes(text);
}

test('a description that cannot be read is said, not taken for none', async () => {
  await mkdir(poolPaths(home).directory);
  await writeFile(poolPaths(home).record, '{"format":1}');
  await expect(findPool(home)).rejects.toThrow('does not describe a pool');
});

fullTest(
  `a pool grows under what runs on it, and what was interrupted is finished by the next mount ${NEEDS})`,
  async () => {
    await createPool({ home, sizeBytes: SMALLEST_POOL, key: null });
    const used = await usePool(await pool());
    await writeFile(join(home, 'row'), 'kept');
    const before = (await poolStatus(await pool())).freeBytes!;
    await expect(growPool(await pool(), SMALLEST_POOL / 2)).rejects.toThrow('never shrinks');
    await expect(growPool(await pool(), 2 ** 60)).rejects.toThrow('There is no room');
    await growPool(await pool(), 2 * SMALLEST_POOL);
    expect((await poolStatus(await pool())).freeBytes! - before).toBeGreaterThan(SMALLEST_POOL * 0.9);
    await used.release();

    // As a grow leaves it that was killed after it wrote down what is wanted.
    await savePool({ ...(await pool()), sizeBytes: 3 * SMALLEST_POOL });
    const again = await usePool(await pool());
    expect((await poolStatus(await pool())).freeBytes! - before).toBeGreaterThan(SMALLEST_POOL * 1.8);
    expect(await readFile(join(home, 'row'), 'utf8')).toBe('kept');
    await again.release();
  },
  GENEROUS,
);

encryptedTest(
  `an encrypted pool grows while it is mounted and while it is not, with its room taken from the disk ${NEEDS}, qemu-utils, qemu-system-common)`,
  async () => {
    await createPool({ home, sizeBytes: SMALLEST_POOL, encryptedBy });
    expect((await poolStatus(await pool())).keyBesideImage).toBe(true);
    await growPool(await pool(), 2 * SMALLEST_POOL);
    expect(await tracesOfPools(directory.path)).toEqual([]);
    const used = await usePool(await pool());
    await growPool(await pool(), 3 * SMALLEST_POOL);
    const { freeBytes, state } = await poolStatus(await pool());
    expect(state).toBe('mounted');
    expect(freeBytes).toBeGreaterThan(2.7 * SMALLEST_POOL);
    const { blocks } = await stat(join(`${home}.pool`, 'pool.luks'));
    expect(blocks * 512).toBeGreaterThanOrEqual(3 * SMALLEST_POOL);
    await used.release();
  },
  GENEROUS,
);

fullTest(
  `a pool whose making is killed at any moment is made by the next attempt ${NEEDS})`,
  async () => {
    const paths = poolPaths(home);
    for (const moment of [paths.record, join(paths.directory, 'pool.xfs'), paths.marker])
      await killMaking(null, async () => existsSync(moment));
    expect(await createPool({ home, sizeBytes: SMALLEST_POOL, key: null })).toMatch(/made|adopted/);
    expect(await tracesOfPools(directory.path)).toEqual([]);
    await (await usePool(await pool())).release();
  },
  GENEROUS,
);

encryptedTest(
  `what an encrypted pool left whose making was killed is taken away ${NEEDS}, qemu-utils, qemu-system-common)`,
  async () => {
    const key = { file: join(directory.path, 'key') };
    await killMaking(key, daemonRuns);
    await expect(usePool(await pool())).rejects.toThrow('was not finished');
    // Another description than the killed one: what that left is found all the same.
    expect(await createPool({ home, sizeBytes: SMALLEST_POOL, key: null })).toBe('made');
    expect(await tracesOfPools(directory.path)).toEqual([]);
    expect(await readdir(`${home}.pool`)).not.toContain('pool.luks');
  },
  GENEROUS,
);

/** Makes a pool in a process of its own, which is killed once `reached`, or has ended by then. */
async function killMaking(
  key: KeySource | null,
  reached: () => Promise<boolean>,
  encryptedBy: Pool['encryptedBy'] = 'storage-daemon',
): Promise<void> {
  await killed(`createPool(${JSON.stringify({ home, sizeBytes: SMALLEST_POOL, key, encryptedBy })})`, reached);
}

/** Does that in a process of its own, which is killed once `reached`, or has ended by then. */
async function killed(work: string, reached: () => Promise<boolean>): Promise<void> {
  const main = `import { createPool, findPool, rekeyPool } from ${JSON.stringify(ENGINE)}; await ${work};`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', main], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  await eventually('the moment to kill it', async () => child.exitCode !== null || (await reached()));
  child.kill('SIGKILL');
  await ended;
}

async function daemonRuns(): Promise<boolean> {
  return (await daemonsIn(directory.path)).length > 0;
}

kernelTest(
  `a pool that the kernel encrypts opens with its key alone, grows, and is taken down whole ${NEEDS}, cryptsetup, dm-crypt)`,
  async () => {
    const key = join(directory.path, 'key');
    await createPool({ home, sizeBytes: SMALLEST_POOL, key: { file: key } });
    expect((await pool()).encryptedBy).toBe('dm-crypt');
    expect(await tracesOfPools(directory.path)).toEqual([]);
    const secret = (await readFile(key, 'utf8')).trim();
    const used = await usePool(await pool());
    expect(await dataAtRest(home)).toEqual({ encryption: 'AES-256-XTS (LUKS2, dm-crypt)', copyOnWrite: true });
    await writeFile(join(home, 'row'), 'a row that must not be readable', { flush: true });
    execFileSync('sync', ['--file-system', home]);
    expect(await contains(`${home}.pool/pool.luks`, 'a row that must not be readable')).toBe(false);
    await growPool(await pool(), 1.25 * SMALLEST_POOL);
    expect((await poolStatus(await pool())).freeBytes).toBeGreaterThan(SMALLEST_POOL);
    // The process that mounted it may be gone: the next one adopts it.
    expect(await usePool(await pool()).catch((error: Error) => error.message)).toContain('already running');
    await used.release();
    expect(await tracesOfPools(directory.path)).toEqual([]);

    await growPool(await pool(), 1.5 * SMALLEST_POOL);
    await writeFile(key, 'another key, and not the one that it was');
    await expect(usePool(await pool())).rejects.toThrow('The key does not open');
    expect(await tracesOfPools(directory.path)).toEqual([]);
    const again = await usePool({ ...(await pool()), key: { command: `printf %s ${secret}` } });
    expect(await readFile(join(home, 'row'), 'utf8')).toBe('a row that must not be readable');
    expect((await poolStatus(await pool())).freeBytes).toBeGreaterThan(1.3 * SMALLEST_POOL);
    await again.release();
  },
  GENEROUS,
);

kernelTest(
  `what the kernel still shows of a pool whose making was killed is taken away ${NEEDS}, cryptsetup, dm-crypt)`,
  async () => {
    const key = { file: join(directory.path, 'key') };
    await killMaking(key, async () => (await mapped()).length > 0, 'dm-crypt');
    await expect(usePool(await pool())).rejects.toThrow('was not finished');
    expect(await createPool({ home, sizeBytes: SMALLEST_POOL, key: null })).toBe('made');
    expect(await tracesOfPools(directory.path)).toEqual([]);
    expect(await mapped()).toEqual([]);
  },
  GENEROUS,
);

async function mapped(): Promise<string[]> {
  return (await readdir('/dev/mapper')).filter((name) => /^borealis-[0-9a-f]/.test(name));
}
