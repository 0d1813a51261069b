import { randomUUID } from 'node:crypto';
import { EngineError } from '@borealis/engine';
import { expect, test } from 'vitest';
import { availableAddon, type Harness, OPERATOR, useService } from './support/harness.js';

const start = useService();

function upgrade({ service }: Harness, id: string, authorization = OPERATOR) {
  const headers = { authorization };
  return service.app.inject({ method: 'POST', url: `/operator/addons/${id}/upgrade-gateway`, headers });
}

test('the operator has the gateway of an add-on replaced, and is told which tunnels go on in the old one', async () => {
  const harness = await start();
  const { id } = await availableAddon(harness);
  const answer = await upgrade(harness, id);
  const draining = [{ tunnels: 1, until: '2030-01-01T00:00:00.000Z' }];
  expect([answer.statusCode, answer.json()]).toEqual([200, { draining }]);
  const { cluster_id } = (await harness.pool.query('select cluster_id from addon')).rows[0];
  expect(harness.engine.gatewaysUpgraded).toEqual([cluster_id]);
  expect((await upgrade(harness, id, 'Bearer somebody')).statusCode).toBe(401);
  expect((await upgrade(harness, randomUUID())).statusCode).toBe(404);
});

test('why no gateway could take over is told in the engine’s own sentence', async () => {
  const harness = await start();
  const { id } = await availableAddon(harness);
  harness.engine.before = (call) => {
    if (call === 'upgradeGateway') throw new EngineError('unavailable', 'It ends at its start.');
  };
  const answer = await upgrade(harness, id);
  expect(answer.statusCode).toBe(503);
  expect(answer.json().message).toBe('No new gateway has taken over: It ends at its start.');
});
