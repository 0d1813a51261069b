import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseConnInfo } from '@borealis/contract';
import { afterAll, beforeAll, expect } from 'vitest';
import { Installation, ISOLATED } from '../support/installation.js';
import { scenario } from '../support/scenario.js';
import { query } from '../support/sql.js';
import { appTunnelUser, openTunnel, throughPort, writerOf } from '../support/tunnel.js';
import { until } from '../support/until.js';

const SHARED = 'borealis-pg:dev';

let installation: Installation;

// Nothing of it belongs to the default suite.
const isFull = process.env.BOREALIS_TEST === 'full';

beforeAll(async () => {
  if (!isFull) return;
  installation = await Installation.start();
}, 300_000);

afterAll(async () => {
  await installation?.stop();
});

/** What the app's writer gets, with the config vars as they are now. */
async function ask(app: string, sql: string): Promise<Record<string, unknown>[]> {
  const config = await installation.config(app);
  const tunnel = await until('the tunnel', () => openTunnel(appTunnelUser(config), writerOf(config)));
  try {
    const url = throughPort(config.DATABASE_URL!, tunnel.localPort);
    // Several statements have no rows, which is an answer, too.
    const answer = async () => ({ rows: await query(url, installation.environment.BOREALIS_CA_FILE!, sql) });
    return (await until('an answer', answer)).rows;
  } finally {
    await tunnel.close();
  }
}

const change = (app: string, addon: { name: string }, plan: string) =>
  installation.platform('PATCH', `/apps/${app}/addons/${addon.name}`, { plan: { name: plan } });

const clusters = () => readdirSync(join(installation.home, 'clusters')).filter((id) => id !== 'control');

const FILL = `
  create table book (id bigint generated always as identity primary key, title text not null unique);
  insert into book (title) select 'book ' || n from generate_series(1, 1000) n;
  create view titles as select title from book;
  create materialized view counted as select count(*) as books from book;
  create function twice(n int) returns int language sql as 'select 2 * n';
  select lo_from_bytea(4711, 'large');`;
const LOOK = `select (select count(*)::int from titles) as titles, (select books::int from counted) as counted,
  twice(21), convert_from(lo_get(4711), 'UTF8') as large, (select max(id)::int from book) as newest`;
const FOUND = { titles: 1000, counted: 1000, twice: 42, large: 'large', newest: 1000 };

scenario.full(
  'a plan change between the shared cluster and one of its own takes the database along, there and back',
  async () => {
    const addon = await installation.createAddon('moving', {}, SHARED);
    await ask('moving', FILL);
    const before = await installation.config('moving');
    for (const plan of [ISOLATED, SHARED]) {
      const door = parseConnInfo((await installation.config('moving')).DATABASE_TUNNEL_BPG_CONN_INFO!);
      await change('moving', addon, plan);
      await installation.untilPlan(addon, plan);
      await until('the new address', async () => {
        const config = await installation.config('moving');
        return parseConnInfo(config.DATABASE_TUNNEL_BPG_CONN_INFO!).POSTGRES_WRITER_HOST !== door.POSTGRES_WRITER_HOST;
      });
      expect((await installation.config('moving')).DATABASE_URL).toBe(before.DATABASE_URL);
      expect(await ask('moving', LOOK)).toEqual([FOUND]);
      // Everything is the app's own, and can be written to and changed.
      await ask(
        'moving',
        `begin; insert into book (title) values ('one more'); alter table book add column author text; rollback`,
      );
    }
    await until('what was left to be gone', () => clusters().length === 1, 120);
    await installation.platform('DELETE', `/apps/moving/addons/${addon.name}`, { force: false });
  },
);
