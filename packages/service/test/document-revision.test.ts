import { expect, test } from 'vitest';
import { availableAddon, type Harness, stepTo, useService } from './support/harness.js';

const start = useService();

/** Makes it look as if an earlier version had written the newest document, without what this version says in addition. */
async function writtenByAnEarlierVersion({ engine, pool }: Harness, appliedBehind: number): Promise<void> {
  const [cluster] = engine.clusters.values();
  const { databases, ...rest } = cluster!.access!;
  cluster!.access = { ...rest, databases: databases.map(({ restricted: _, ...database }) => database) } as never;
  await pool.query('update cluster set document_digest = sha256($1), applied_revision = applied_revision - $2::int', [
    Buffer.from('what it said'),
    appliedBehind,
  ]);
}

test.each([
  ['was taken by the engine', 0],
  ['was taken by the engine, though nobody noted it', 1],
])('after an upgrade a document that %s gets a revision of its own and comes into force', async (_, behind) => {
  const harness = await start();
  const { id } = await availableAddon(harness);
  const { revision } = harness.engine.access;
  await writtenByAnEarlierVersion(harness, behind);
  const upgraded = await harness.another();
  await stepTo(upgraded, id, 'serve');
  expect(await upgraded.strands.step(id)).toMatchObject({ outcome: 'nap' });
  expect(harness.engine.access.revision).toBe(revision + 1);
  expect(harness.engine.access.databases[0]).toHaveProperty('restricted', false);
});

test('a start of the same version leaves the document and its revision alone', async () => {
  const harness = await start();
  const { id } = await availableAddon(harness);
  const { revision } = harness.engine.access;
  const again = await harness.another();
  await again.strands.step(id);
  const { rows } = await harness.pool.query('select access_revision, applied_revision from cluster');
  expect(rows).toEqual([{ access_revision: revision, applied_revision: revision }]);
});
