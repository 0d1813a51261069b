import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ASK, attachment, executed, onCleanUp, run, slug, sourced, tunnels } from './support/dyno.js';
import { SshServer } from './support/ssh-server.js';

const CA = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
const NOWHERE = 'no-such-host.invalid';

async function server(): Promise<SshServer> {
  const started = await new SshServer('one').listen();
  onCleanUp(() => started.close());
  return started;
}

const show = (...names: string[]) => names.map((name) => `echo "${name}=$${name}"`).join('; ');

test('the authority that came with the add-on is exported when every PostgreSQL URL leads through a tunnel', async () => {
  const { config } = await attachment('DATABASE', await server(), { POSTGRES_CA_CERTIFICATE: CA });
  const home = slug();
  const file = join(home, '.borealis-pg/ca.pem');
  const dyno = sourced(home, show('PGSSLROOTCERT', 'NODE_EXTRA_CA_CERTS'), config);
  expect(await dyno.ended).toBe(0);
  expect(dyno.stdout()).toBe(`PGSSLROOTCERT=${file}\nNODE_EXTRA_CA_CERTS=${file}\n`);
  expect(readFileSync(file, 'utf8').trim()).toBe(CA.trim());
  expect(dyno.stderr()).toContain(`sslrootcert=${file}`);
});

test.each([
  ['another database', { HEROKU_POSTGRESQL_RED_URL: 'postgres://u:p@ec2.example.com:5432/db' }],
  ['a JDBC URL of another one', { JDBC_DATABASE_URL: 'jdbc:postgresql://ec2.example.com:5432/db?user=u' }],
  ['PGHOST', { PGHOST: 'ec2.example.com' }],
])('with %s beside it PGSSLROOTCERT stays unset', async (_what, other) => {
  const { config } = await attachment('DATABASE', await server(), { POSTGRES_CA_CERTIFICATE: CA });
  const home = slug();
  const dyno = sourced(home, show('PGSSLROOTCERT', 'NODE_EXTRA_CA_CERTS'), { ...config, ...other });
  await dyno.ended;
  expect(dyno.stdout()).toBe(`PGSSLROOTCERT=\nNODE_EXTRA_CA_CERTS=${join(home, '.borealis-pg/ca.pem')}\n`);
});

test('what is set already is never overridden, and BOREALIS_CA_FILE comes before what the add-on brings', async () => {
  const { config } = await attachment('DATABASE', await server(), { POSTGRES_CA_CERTIFICATE: CA });
  const home = slug();
  writeFileSync(join(home, 'own.pem'), CA);
  const set = { NODE_EXTRA_CA_CERTS: '/mine.pem', BOREALIS_CA_FILE: join(home, 'own.pem') };
  const dyno = sourced(home, show('PGSSLROOTCERT', 'NODE_EXTRA_CA_CERTS'), { ...config, ...set });
  await dyno.ended;
  expect(dyno.stdout()).toBe(`PGSSLROOTCERT=${join(home, 'own.pem')}\nNODE_EXTRA_CA_CERTS=/mine.pem\n`);
});

test('a host that does not resolve is replaced by 127.0.0.1 in the URLs of a sourced script', async () => {
  const { config, writerPort, readerPort } = await attachment('DATABASE', await server(), {}, NOWHERE);
  const dyno = sourced(slug(), `${show('DATABASE_URL', 'DATABASE_READONLY_URL')}; ${ASK}; ask ${writerPort}`, config);
  expect(await dyno.ended).toBe(0);
  expect(dyno.stdout()).toBe(
    `DATABASE_URL=postgres://app_rw_x:secret-password@127.0.0.1:${writerPort}/db?sslmode=require\n` +
      `DATABASE_READONLY_URL=postgres://app_ro_x:secret-password@127.0.0.1:${readerPort}/db?sslmode=require\n` +
      'one primary.one.internal:5432 hello\n',
  );
  expect(dyno.stderr()).toContain(`${NOWHERE} does not resolve to 127.0.0.1 here, so 127.0.0.1 stands in the URLs`);
});

test('an executed script says what to do about a host that does not resolve', async () => {
  const { config } = await attachment('DATABASE', await server(), {}, NOWHERE);
  const dyno = executed(slug(), show('DATABASE_URL'), config);
  expect(await dyno.ended).toBe(0);
  expect(dyno.stdout()).toBe(`DATABASE_URL=${config.DATABASE_URL}\n`);
  expect(dyno.stderr()).toContain(
    `(docker run --add-host ${NOWHERE}:127.0.0.1), or run "borealis-pg-init-secure-tunnel.sh exec COMMAND" instead.`,
  );
});

test('a URL that leads elsewhere gets no tunnel', async () => {
  const gateway = await server();
  const { config } = await attachment('DATABASE', gateway, {}, '192.0.2.1');
  const home = slug();
  const dyno = sourced(home, 'echo started', config);
  await dyno.ended;
  expect(dyno.stdout()).toBe('started\n');
  expect(dyno.stderr()).toBe(
    'borealis-pg: DATABASE_URL leads to 192.0.2.1 and not to a tunnel on this machine, so DATABASE gets none.\n',
  );
  expect([tunnels(home), gateway.logins]).toEqual([[], 0]);
});

test.each([
  ['a missing URL', { DATABASE_URL: '' }, 'DATABASE_URL is missing or not a PostgreSQL URL with a port'],
  ['nonsense', { DATABASE_TUNNEL_BPG_CONN_INFO: 'x' }, 'DATABASE_TUNNEL_BPG_CONN_INFO is incomplete'],
])('%s is told in one sentence and the app starts', async (_what, broken, sentence) => {
  const { config } = await attachment('DATABASE', await server());
  const dyno = sourced(slug(), 'echo started', { ...config, ...broken });
  expect(await dyno.ended).toBe(0);
  expect(dyno.stdout()).toBe('started\n');
  expect(dyno.stderr()).toContain(sentence);
});

test.each([
  ['SSH_HOST', '127.0.0.1\nProxyCommand touch $HOME/pwned'],
  ['SSH_HOST', '-oProxyCommand=touch'],
  ['SSH_USERNAME', 'u\nProxyCommand touch $HOME/pwned'],
  ['SSH_PORT', '22\nProxyCommand touch $HOME/pwned'],
  ['POSTGRES_WRITER_HOST', 'x\nProxyCommand touch $HOME/pwned'],
])('a %s that would add to the configuration of ssh is refused', async (key, value) => {
  const { config } = await attachment('DATABASE', await server(), { [key]: value });
  const home = slug();
  const raw = {
    ...config,
    DATABASE_TUNNEL_BPG_CONN_INFO: config.DATABASE_TUNNEL_BPG_CONN_INFO!.replaceAll('\\n', '\n'),
  };
  for (const variant of [config, raw]) {
    const dyno = sourced(home, 'echo started', variant);
    await dyno.ended;
    expect(dyno.stderr()).toContain('is incomplete, so DATABASE gets no tunnel');
  }
  expect(existsSync(join(home, 'pwned'))).toBe(false);
});

test('without the config var, and with a strict start-up shell, nothing is said and nothing left behind', async () => {
  const dyno = run(
    slug(),
    'set -eu; before=$(compgen -A function -v); . .profile.d/*.sh; after=$(compgen -A function -v); [[ $(diff <(echo "$before") <(echo "$after") | grep "^>" | grep -v -e before -e BASH_ -e PIPESTATUS) == "" ]] && echo clean',
    {},
  );
  expect(await dyno.ended).toBe(0);
  expect([dyno.stdout(), dyno.stderr()]).toEqual(['clean\n', '']);
});

test('without a shutdown helper the tunnel still ends with the app', async () => {
  const gateway = await server();
  const { config, writerPort } = await attachment('DATABASE', gateway);
  const home = slug();
  rmSync(join(home, '.borealis-pg/server-shutdown-wait.sh'));
  const dyno = sourced(home, `${ASK}; ask ${writerPort}`, config);
  await dyno.ended;
  expect(dyno.stdout()).toContain('hello');
});
