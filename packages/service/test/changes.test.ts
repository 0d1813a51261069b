import { randomUUID } from 'node:crypto';
import type { FoundChanges } from '@borealis/contract';
import { EngineError } from '@borealis/engine';
import { expect, test } from 'vitest';
import { availableAddon, OPERATOR, useService } from './support/harness.js';

const start = useService();

const FOUND: FoundChanges = {
  ...{ from: '2026-03-04T00:00:00.000000Z', to: '2026-03-05T00:00:00.000000Z', omitted: 0, notes: ['A note.'] },
  changes: [
    {
      ...{ kind: 'delete', table: { schema: 'public', name: 'orders' }, file: null, rows: 3, transaction: 700 },
      ...{ committedAt: '2026-03-04T05:06:07.123457Z', restoreTo: '2026-03-04T05:06:07.123456Z', isCrowded: false },
    },
  ],
};
const QUERY = { search: randomUUID(), table: { schema: null, name: 'orders' }, kinds: ['delete'], since: null };

type Harness = Awaited<ReturnType<typeof start>>;

function ask({ service }: Harness, id: string, more: object = {}, authorization = OPERATOR) {
  return service.app.inject({
    ...{ method: 'POST', url: `/operator/addons/${id}/changes`, payload: { ...QUERY, ...more } },
    headers: { authorization },
  });
}

test('the operator asks for what took rows away until it is found, in the add-on’s own database', async () => {
  const harness = await start();
  const { id } = await availableAddon(harness);
  const reading = { state: 'reading' as const, segments: { read: 3, total: 9 } };
  harness.engine.searches = [reading, { state: 'found', found: FOUND }];
  expect((await ask(harness, id, { since: '2026-03-04T02:00:00+02:00' })).json()).toEqual(reading);
  const answer = await ask(harness, id);
  expect([answer.statusCode, answer.json()]).toEqual([200, { state: 'found', found: FOUND }]);
  const addon = (await harness.pool.query('select cluster_id, database_name from addon')).rows[0];
  expect(harness.engine.searched[0]).toEqual({
    ...{ id: addon.cluster_id, database: addon.database_name },
    query: { ...QUERY, since: '2026-03-04T00:00:00.000000Z' },
  });
  expect((await ask(harness, id, {}, 'Bearer somebody')).statusCode).toBe(401);
});

test('what cannot be found is told in the engine’s own sentence, and by its status', async () => {
  const harness = await start();
  const { id } = await availableAddon(harness);
  const statuses = { unsupported: 422, not_found: 404, not_ready: 503, internal: 500 } as const;
  for (const [code, status] of Object.entries(statuses)) {
    harness.engine.before = (call) => {
      if (call === 'findChanges') throw new EngineError(code as keyof typeof statuses, `It is ${code}.`);
    };
    const answer = await ask(harness, id);
    expect([answer.statusCode, answer.json()]).toEqual([status, { message: `It is ${code}.` }]);
  }
  harness.engine.before = () => {};
  expect((await ask(harness, id, { since: '2026-03-04T02:00:00' })).json().message).toContain('has no zone');
  expect((await ask(harness, id, { kinds: ['undo'] })).statusCode).toBe(400);
  expect((await ask(harness, randomUUID())).statusCode).toBe(404);
});

test('an add-on that shares its cluster has no log to look in', async () => {
  const harness = await start();
  const { id } = await availableAddon(harness, { plan: 'dev' });
  const answer = await ask(harness, id);
  expect([answer.statusCode, answer.json().message]).toEqual([400, expect.stringContaining('shares its cluster')]);
  expect(harness.engine.searched).toEqual([]);
});
