import { afterEach, expect, test, vi } from 'vitest';
import { Failure } from '../src/failure.js';
import type { OperatorClient } from '../src/operator-client.js';
import { upgradeGatewayCommand } from '../src/upgrade-gateway.js';

const written: string[] = [];
const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => written.push(String(text)) > 0);
const UNTIL = '2030-01-02T03:04:05.000Z';

afterEach(() => {
  written.length = 0;
  write.mockClear();
});

/** A service with these add-ons, each by its cluster; that of cluster `broken` cannot be replaced. */
function service(clusters: Record<string, string>): { client: OperatorClient; asked: string[] } {
  const asked: string[] = [];
  const all = Object.entries(clusters).map(([name, clusterId]) => ({
    ...{ id: `id-${name}`, name, clusterId, sentence: null },
    status: clusterId === 'unborn' ? 'provisioning' : 'available',
  }));
  const client = {
    addons: async () => all,
    find: async (wanted: string) => all.find(({ name }) => name === wanted)!,
    upgradeGateway: async (id: string) => {
      asked.push(id);
      if (clusters[id.slice(3)] === 'broken') throw new Failure('No new gateway has taken over: it hangs.');
      return { draining: clusters[id.slice(3)] === 'idle' ? [] : [{ tunnels: 2, until: UNTIL }] };
    },
  };
  return { client: client as unknown as OperatorClient, asked };
}

test('one gateway is replaced for each cluster, and what could not be is told by the exit status', async () => {
  const { client, asked } = service({ a: 'shared', b: 'shared', c: 'idle', d: 'broken', e: 'unborn' });
  expect(await upgradeGatewayCommand(client, ['--all'])).toBe(1);
  expect(asked).toHaveLength(3);
  expect(written.join('').split('\n')).toEqual([
    `The gateway of a, b was replaced. 2 tunnels go on in the process that had them before, and will be asked to connect again at ${UNTIL}.`,
    'The gateway of c was replaced; no tunnel is left in an earlier one.',
    'The gateway of d was not replaced: No new gateway has taken over: it hangs.',
    '',
  ]);
});

test('--json tells the same for programs', async () => {
  expect(await upgradeGatewayCommand(service({ a: 'one' }).client, ['a', '--json'])).toBe(0);
  const draining = [{ tunnels: 2, until: UNTIL }];
  expect(JSON.parse(written.join(''))).toEqual([{ clusterId: 'one', addons: ['a'], draining, error: null }]);
});

test.each([[[]], [['a', '--all']], [['a', 'b']]])('it must be said which gateway: %j', async (args) => {
  const { client, asked } = service({ a: 'one' });
  await expect(upgradeGatewayCommand(client, args)).rejects.toThrow('Say which gateway');
  expect(asked).toEqual([]);
});
