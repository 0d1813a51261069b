import { isDeepStrictEqual } from 'node:util';
import { ensureKeyFile, readKey } from './key.js';
import { slotsOf } from './key-slots.js';
import { alone, mountState, takeDown } from './mounting.js';
import { imageOf, type KeySource, type Pool, savePool } from './pool.js';
import { PoolError } from './pool-error.js';

/**
 * Makes another key the only one that opens the pool, which is not mounted; a key file that is not there is made. The data stays as it is.
 * At every moment the source that the record names opens it. What is interrupted is finished by the same call again, which both
 * sources have to outlive. Throws one sentence, with the pool open to whoever could open it before.
 */
export async function rekeyPool(pool: Pool, next: KeySource): Promise<void> {
  if (pool.state !== 'ready') throw new PoolError(`The pool of ${pool.home} was not finished.`);
  if (pool.key === null) throw new PoolError(`The pool of ${pool.home} is not encrypted: it has no key to change.`);
  const begun = pool.rekeying;
  if (begun && !isDeepStrictEqual(begun.to, next))
    throw new PoolError(`A change of the key to that of ${nameOf(begun.to)} was begun: finish it first, by naming it.`);
  const from = begun?.from ?? pool.key;
  if (isDeepStrictEqual(from, next))
    throw new PoolError('The new key must come from elsewhere: both are needed until the new one is in place.');
  await alone(pool, async () => {
    if ((await mountState(pool)) !== 'unmounted')
      throw new PoolError('The key of a mounted pool cannot be changed: stop "borealis up" first.');
    // What a killed process has left open would keep the image to itself.
    await takeDown(pool);
    await change(pool, from, next);
  });
}

async function change(pool: Pool, from: KeySource, to: KeySource): Promise<void> {
  const isOurs = 'file' in to && (await ensureKeyFile(to.file));
  const [former, next] = [await readKey(from), await readKey(to)];
  if (former.reveal().equals(next.reveal())) throw new PoolError('The new key is the one that the pool has already.');
  const [slots, image] = [slotsOf(pool), imageOf(pool)];
  const isOpen = { former: await slots.opens(image, former), next: await slots.opens(image, next) };
  if (!isOpen.former && !isOpen.next)
    throw new PoolError(`The key in ${nameOf(from)} does not open ${image}: it is not the one of the pool.`);
  if (!isOpen.next) {
    await savePool({ ...pool, rekeying: { from, to } });
    await slots.add(image, former, next, isOurs ? 'random' : 'chosen');
    if (!(await slots.opens(image, next)))
      throw new PoolError(`The new key does not open ${image}; the former one does.`);
  }
  await savePool({ ...pool, key: to, rekeying: { from, to } });
  if (isOpen.former) await slots.remove(image, next, former);
  const { rekeying: _, ...rest } = pool;
  await savePool({ ...rest, key: to });
}

const nameOf = (source: KeySource) => ('file' in source ? source.file : `the command "${source.command}"`);
