import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { Installation, ISOLATED } from '../support/installation.js';
import { Pauses } from '../support/pauses.js';
import { kill9, processes, withoutChildren } from '../support/processes.js';
import { scenario } from '../support/scenario.js';
import { query } from '../support/sql.js';
import { appTunnelUser, openTunnel, throughPort, writerOf } from '../support/tunnel.js';
import { until } from '../support/until.js';

const PROVISIONING = [
  'exchangeGrant',
  'createCluster',
  'waitCluster',
  'makeCredentials',
  'applyAccess',
  'setConfigVars',
  'markProvisioned',
];
const REMOVAL = ['destroyCluster', 'forget'];
/** Those that ask the engine for something. */
const OF_THE_ENGINE = ['createCluster', 'waitCluster', 'applyAccess', 'destroyCluster'];

type Victim = 'service' | 'keeper' | 'platform' | 'gateway';

interface Fire {
  moment: 'before' | 'after';
  victim: Victim;
  /** At every label unless some are given. */
  at?: string[];
}

let pauses: Pauses;
let installation: Installation;

beforeAll(async () => {
  if (process.env.BOREALIS_TEST !== 'full') return;
  pauses = new Pauses();
  installation = await Installation.start({ env: pauses.env });
});

afterAll(async () => {
  await installation?.stop();
  pauses?.remove();
});

/** Clusters on disk besides the service's own. */
const clusters = () => readdirSync(join(installation.home, 'clusters')).filter((id) => id !== 'control');

const running = (word: string) =>
  withoutChildren(
    processes().filter(
      ({ command }) => command.includes(installation.home) && command.includes(word) && !command.includes('control'),
    ),
  );

/** The victim may be on its way back from the last time. Before there is a cluster there is no gateway to kill. */
async function kill(victim: Victim): Promise<void> {
  if (victim === 'gateway') for (const { pid } of running('gateway.cjs')) kill9(pid);
  else kill9(await until(`a ${victim} to kill`, () => installation.pid(victim)));
}

/** Lets something begin, and kills the victim once in the middle of each of these labels. */
async function killAtEach(labels: string[], { moment, victim, at }: Fire, begin: () => Promise<void>): Promise<void> {
  const stops = labels.filter((label) => at?.includes(label) ?? true).map((label) => pauses.at(moment, label));
  await begin();
  for (const stop of stops) {
    await stop.reached();
    await kill(victim);
    stop.release();
  }
}

async function provisionUnderFire(app: string, fire: Fire): Promise<string> {
  let addonId = '';
  await killAtEach(PROVISIONING, fire, async () => {
    await installation.platform('POST', '/apps', { name: app });
    const body = { config: {}, plan: { name: ISOLATED } };
    addonId = (await installation.platform<{ id: string }>('POST', `/apps/${app}/addons`, body)).id;
  });
  await installation.untilProvisioned(addonId);
  return addonId;
}

/** One of everything, and it works. */
async function expectOneWorkingDatabase(app: string): Promise<void> {
  expect(clusters()).toHaveLength(1);
  const config = await installation.config(app);
  expect(Object.keys(config).sort()).toEqual([
    'DATABASE_READONLY_URL',
    'DATABASE_TUNNEL_BPG_CONN_INFO',
    'DATABASE_URL',
  ]);
  const tunnel = await until('the tunnel', () => openTunnel(appTunnelUser(config), writerOf(config)));
  const rows = await until('an answer', () =>
    query<{ n: number }>(
      throughPort(config.DATABASE_URL!, tunnel.localPort),
      installation.environment.BOREALIS_CA_FILE!,
      `select count(*)::int as n from pg_roles where rolname like 'app\\_%'`,
    ),
  );
  expect(rows).toEqual([{ n: 2 }]);
  await tunnel.close();
  expect(running('gateway.cjs')).toHaveLength(1);
  expect(running('bin/postgres')).toHaveLength(1);
}

async function destroyUnderFire(app: string, addonId: string, fire: Fire): Promise<void> {
  await killAtEach(REMOVAL, fire, async () => {
    await installation.platform('DELETE', `/apps/${app}/addons/${addonId}`, { force: false });
  });
  await until(
    'nothing of it to be left',
    async () => {
      const addons = await installation.platform<unknown[]>('GET', `/apps/${app}/addons`);
      return (
        addons.length === 0 &&
        clusters().length === 0 &&
        running('gateway.cjs').length === 0 &&
        running('bin/postgres').length === 0
      );
    },
    120,
  );
  const runtime = join(installation.home, 'run');
  if (existsSync(runtime))
    expect(readdirSync(runtime).filter((name) => name.startsWith('pg') && name !== 'control')).toEqual([]);
  await installation.platform('DELETE', `/apps/${app}`);
}

async function underFire(fire: Fire): Promise<void> {
  const app = `${fire.victim}-${fire.moment}`;
  await until('everything to be back from the last time', async () => {
    const doors = [
      `${installation.environment.ADDON_API_URL}/health`,
      `${installation.environment.PLATFORM_URL}/stand-in/health`,
    ];
    return installation.pid('keeper') && (await Promise.all(doors.map((url) => fetch(url)))).every(({ ok }) => ok);
  });
  const addonId = await provisionUnderFire(app, fire);
  await expectOneWorkingDatabase(app);
  await destroyUnderFire(app, addonId, fire);
}

scenario.full('the service killed after the work of every label of a provision and a removal', () =>
  underFire({ moment: 'after', victim: 'service' }),
);
scenario.full('the keeper killed before every label of a provision and a removal that asks it for something', () =>
  underFire({ moment: 'before', victim: 'keeper', at: OF_THE_ENGINE }),
);
scenario.full('the keeper killed before every other label of a provision and a removal', () =>
  underFire({
    ...{ moment: 'before', victim: 'keeper' },
    at: [...PROVISIONING, ...REMOVAL].filter((label) => !OF_THE_ENGINE.includes(label)),
  }),
);
scenario.full('the service killed before the work of every label', () =>
  underFire({ moment: 'before', victim: 'service' }),
);
scenario.full('the keeper killed after the work of every label', () =>
  underFire({ moment: 'after', victim: 'keeper' }),
);
scenario.full('the platform killed at every label of a provision and a removal', () =>
  underFire({ moment: 'after', victim: 'platform' }),
);
scenario.full('the gateway killed at every label of a provision and a removal', () =>
  underFire({ moment: 'after', victim: 'gateway' }),
);
