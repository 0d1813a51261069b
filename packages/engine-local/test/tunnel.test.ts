import { formatVerifier, makeVerifier, type PostgresMajor } from '@borealis/contract';
import type { ClusterAccess, Engine, EngineEvent } from '@borealis/engine';
import { cacheDirectory } from '@borealis/postgres';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sshKey } from '../../../test/support/ssh-key.js';
import { type Keeper, startKeeper } from '../src/keeper.js';
import { createEngineClient } from '../src/rpc/client.js';
import { eventually, GENEROUS, gatewayBundle, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { processesOf } from './support/traces.js';
import { openTunnel, queryThrough } from './support/tunnel.js';

// 13 needs user maps with every role by name, from 16 on they hold a pattern.
const MAJORS: PostgresMajor[] =
  process.env.BOREALIS_TEST === 'full' ? ['13', '14', '15', '16', '17', '18'] : ['13', '16'];
const KEY = sshKey();
const OTHER_KEY = sshKey();
const APP = { user: 'app_rw_tunnel', password: 'Pa55wordOfTheApp', database: 'tunnel' };

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let keeper: Keeper;
let engine: Engine;

beforeAll(async () => {
  directory = await temporaryDirectory();
  const log = pino({ level: 'fatal' });
  const home = `${directory.path}/home`;
  keeper = await startKeeper({ home, cacheDir: cacheDirectory(), gatewayBundle: gatewayBundle(), log });
  engine = createEngineClient(keeper.socketPath);
}, GENEROUS);

afterAll(async () => {
  await keeper.stop({ clusters: true });
  await directory.remove();
}, GENEROUS);

async function document(revision: number, keys: string[]): Promise<ClusterAccess> {
  const verifiers = [formatVerifier(await makeVerifier(APP.password))];
  const user = { kind: 'app' as const, label: 'tester', database: APP.database, roles: [APP.user], validUntil: null };
  return {
    revision,
    databases: [{ name: APP.database, owner: APP.user }],
    roles: [{ name: APP.user, database: APP.database, verifiers, validUntil: null }],
    tunnelUsers: keys.map((key, index) => ({ ...user, username: `tester-${index}`, publicKeys: [key] })),
  };
}

async function tunnelEvents(id: string): Promise<string[]> {
  const { events } = await engine.events(null, 0);
  const ofTunnels = (event: EngineEvent) => event.clusterId === id && 'tunnelId' in event;
  return events
    .filter(ofTunnels)
    .map((event) => ('reason' in event && event.reason ? `${event.type}: ${event.reason}` : event.type));
}

describe.each(MAJORS)('PostgreSQL %s', (major) => {
  const id = `tunnel${major}`;

  test(
    'a query goes through the tunnel, verified by host key and certificate',
    async () => {
      await engine.createCluster(id, { ...SPEC, major });
      const { gateway } = await untilReady(engine, id);
      await engine.applyAccess(id, await document(1, [KEY.public]));
      const tunnel = await openTunnel(id, gateway!, 'tester-0', KEY.private);
      const ca = await engine.caCertificate();
      await queryThrough(tunnel, ca, APP, 'create table made_by_the_app(a int)');
      expect(await queryThrough(tunnel, ca, APP, 'select current_user::text as name')).toEqual([{ name: APP.user }]);
      expect(Object.keys(await engine.usage(id))).toContain(APP.database);
      tunnel.close();
      await eventually('both events', async () => (await tunnelEvents(id)).length >= 2);
      expect((await tunnelEvents(id)).map((text) => text.split(':')[0])).toEqual([
        'tunnel-created',
        'tunnel-destroyed',
      ]);
    },
    GENEROUS,
  );

  test(
    'a user that is taken away is out at once, and one that is added is in',
    async () => {
      const { gateway } = (await engine.cluster(id))!;
      const tunnel = await openTunnel(id, gateway!, 'tester-0', KEY.private);
      await engine.applyAccess(id, await document(2, []));
      await tunnel.closed;
      await expect(openTunnel(id, gateway!, 'tester-0', KEY.private)).rejects.toThrow(/authentication/);
      await engine.applyAccess(id, await document(3, [OTHER_KEY.public]));
      await expect(openTunnel(id, gateway!, 'tester-0', KEY.private)).rejects.toThrow(/authentication/);
      (await openTunnel(id, gateway!, 'tester-0', OTHER_KEY.private)).close();
    },
    GENEROUS,
  );

  test(
    'the end of a tunnel is told even when the gateway was killed',
    async () => {
      const { gateway } = (await engine.cluster(id))!;
      const tunnel = await openTunnel(id, gateway!, 'tester-0', OTHER_KEY.private);
      const [process_] = (await processesOf(`${directory.path}/home`, id)).gateways;
      process.kill(process_!.pid, 'SIGKILL');
      await tunnel.closed;
      await eventually('the end', async () => (await tunnelEvents(id)).includes('tunnel-destroyed: gateway restarted'));
      await untilReady(engine, id);
      (await openTunnel(id, gateway!, 'tester-0', OTHER_KEY.private)).close();
      await engine.destroyCluster(id);
    },
    GENEROUS,
  );
});
