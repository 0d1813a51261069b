import { sharedServerSettings, TENANT_BOUNDS } from '@borealis/postgres';
import { temporaryServer } from '@borealis/postgres/testing';
import pg from 'pg';
import { MAJOR } from '../peer/postgres.mjs';
import { median } from '../statistics.mjs';

const OWNERS = { quiet: 'app_rw_quiet', busy: 'app_rw_busy' };
/** What the busy tenant runs in every one of its sessions, in turns. */
const LOADS = [
  `do $$ begin loop perform sum(i) from generate_series(1, 100000) i; end loop; end $$`,
  `do $$ begin loop insert into filler select repeat('x', 500) from generate_series(1, 1000); delete from filler; commit; end loop; end $$`,
];

/** Transactions a second of a tenant with one session, beside another that keeps all of its sessions busy, as a part of those alone. */
export async function neighbour({ sizes, say, cleanup }) {
  const server = await temporaryServer(MAJOR, {
    settings: { fsync: 'on', ...sharedServerSettings(TENANT_BOUNDS) },
    privateMemoryMiB: TENANT_BOUNDS.privateMemoryMiB,
  });
  cleanup.add('The server of the neighbours', () => server.remove());
  await server.setAccess(access());
  const quiet = await logIn(server.spec, 'quiet');
  await quiet.query('create table counter as select 0 as n');
  const busy = await logIn(server.spec, 'busy');
  await busy.query('create table filler (v text)');
  await busy.end();
  const ratios = [];
  for (let round = 0; round < sizes.rounds; round++) {
    const alone = await rate(quiet, sizes.seconds);
    const stop = await makeBusy(server.spec);
    const beside = await rate(quiet, sizes.seconds);
    await stop();
    ratios.push(beside / alone);
    say(
      `  alone ${Math.round(alone)}/s, beside ${TENANT_BOUNDS.connections - 1} busy sessions ${Math.round(beside)}/s`,
    );
  }
  await quiet.end();
  const range = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`;
  const name = `write transactions of a tenant beside a neighbour at full load (${TENANT_BOUNDS.connections - 1} sessions), of those alone`;
  return { alone: [{ name, value: median(ratios), unit: '', detail: `n=${ratios.length}, ${range}` }] };
}

function access() {
  const names = Object.keys(OWNERS);
  return {
    databases: names.map((name) => ({ name, owner: OWNERS[name] })),
    roles: names.map((name) => ({ name: OWNERS[name], database: name })),
    backendPassword: null,
    shared: TENANT_BOUNDS,
  };
}

async function logIn({ socketDirectory, port }, database) {
  const client = new pg.Client({ host: socketDirectory, port, user: OWNERS[database], database });
  client.on('error', () => {});
  await client.connect();
  return client;
}

async function rate(client, seconds) {
  const start = performance.now();
  let count = 0;
  while (performance.now() - start < seconds * 1000) {
    await client.query('update counter set n = n + 1');
    count++;
  }
  return count / ((performance.now() - start) / 1000);
}

/** Starts the load in all sessions but one; ends it when called. */
async function makeBusy(spec) {
  const clients = [];
  for (let n = 0; n < TENANT_BOUNDS.connections - 1; n++) {
    const client = await logIn(spec, 'busy');
    client.query(LOADS[n % LOADS.length]).catch(() => {});
    clients.push(client);
  }
  return async () => {
    const killer = await logIn(spec, 'busy');
    await killer.query(`select pg_terminate_backend(p) from unnest($1::int[]) p`, [clients.map((c) => c.processID)]);
    await killer.end();
    await Promise.all(clients.map((client) => client.end().catch(() => {})));
  };
}
