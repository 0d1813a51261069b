import assert from 'node:assert/strict';
import { type Engine, EngineError } from './engine.js';

/** Backups of a database are made once, proven, read, listed and dropped, however often each is asked for. */
export async function keepsBackups(engine: Engine, id: string, database: string): Promise<void> {
  const made = await Promise.all([1, 2].map(() => engine.backUpDatabase(id, database, 'night-1')));
  assert.deepEqual(made[0], made[1]);
  assert.equal(made[0]!.proof, null);
  assert.deepEqual(await engine.backUpDatabase(id, database, 'night-1'), made[0]);
  const proven = await engine.proveBackup(id, database, 'night-1');
  assert.equal(proven.proof?.failure, null);
  assert.equal(proven.proof?.checked.rows, proven.rows);
  assert.deepEqual(await engine.backups(id, database), [proven]);
  let bytes = 0;
  for await (const part of await engine.readBackup(id, database, 'night-1')) bytes += part.length;
  assert.ok(bytes > 0);
  for (let times = 0; times < 2; times++) await engine.dropBackup(id, database, 'night-1');
  assert.deepEqual(await engine.backups(id, database), []);
  const isMissing = (error: unknown) => error instanceof EngineError && error.code === 'not_found';
  await assert.rejects(engine.readBackup(id, database, 'night-1'), isMissing);
  await assert.rejects(engine.proveBackup(id, database, 'night-1'), isMissing);
}
