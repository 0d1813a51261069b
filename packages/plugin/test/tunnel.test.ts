import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { freePort } from '../../../test/support/tunnel.js';
import Run from '../src/commands/borealis-pg/run.js';
import { ApiServer } from './support/api-server.js';
import { Cli, run, until } from './support/cli.js';
import { hasPsql, postgresBin } from './support/commands.js';
import { layOutHeroku, RESOURCE, REVOKE } from './support/heroku.js';
import { runHere } from './support/in-process.js';
import { DATABASE_HOST, PASSWORD, Postgres } from './support/postgres.js';
import { SshServer } from './support/ssh-server.js';

const bin = postgresBin();
const api = new ApiServer();
let postgres: Postgres;
let ssh: SshServer;
let port: number;

describe.skipIf(bin === undefined)('through a tunnel (needs a PostgreSQL server on this machine)', () => {
  beforeAll(async () => {
    await api.start();
    postgres = await Postgres.start(bin as string);
  });
  afterAll(async () => {
    await postgres?.stop();
    await api.stop();
  });
  beforeEach(async () => {
    ssh = new SshServer(DATABASE_HOST, () => postgres.port);
    // Ports that no connection's near end can take while the server is away.
    await ssh.start(await freePort());
    port = await freePort();
    api.requests.length = 0;
    layOutHeroku(api);
    answerUsers({});
  });
  afterEach(() => ssh.stop());

  describe('tunnel', () => {
    test('prints what to connect with, verifies everything, and Ctrl+C ends it with 0', async () => {
      const cli = tunnel('-w');
      await cli.shows('Press Ctrl+C to close the tunnel and exit');
      const url = `postgres://p_rw_test:${PASSWORD}@localhost:${port}/postgres`;
      expect(cli.stdout).toContain(
        [
          'Secure tunnel established. Use the following values to connect to the database:',
          '      Username: p_rw_test',
          `      Password: ${PASSWORD}`,
          '          Host: localhost',
          `          Port: ${port}`,
          ' Database name: postgres',
          `           URL: ${url}`,
        ].join('\n'),
      );
      expect(cli.stderr).toContain('Configuring read/write user session for add-on borealis-pg-hex-12345... done');
      expect(api.log.at(-1)).toBe(REVOKE);
      expect(ssh.ciphers).toEqual(['aes128-gcm@openssh.com']);

      const [, caFile = ''] = /sslmode=verify-full sslrootcert=(\S+)/.exec(cli.stderr) ?? [];
      expect(statSync(caFile).mode & 0o777).toBe(0o600);
      expect(await value(`${url}?sslmode=verify-full&sslrootcert=${caFile}`)).toBe('2');
      cli.process.kill('SIGINT');
      expect((await cli.finished).code).toBe(0);
      expect(existsSync(caFile)).toBe(false);
    });

    test('carries many connections at once, whole and in order', async () => {
      const cli = tunnel();
      await cli.shows('Press Ctrl+C');
      const clients = Array.from({ length: 20 }, () => new pg.Client(local()));
      const bytes = 300_000;
      const sizes = await Promise.all(
        clients.map(async (client, i) => {
          await client.connect();
          const sent = String(i % 10).repeat(bytes);
          const { rows } = await client.query('SELECT $1 || $2 AS both', [sent, sent]);
          await client.end();
          return rows[0].both === sent + sent;
        }),
      );
      expect(sizes).toEqual(clients.map(() => true));
      cli.process.kill('SIGTERM');
      expect((await cli.finished).code).toBe(0);
    });

    test('comes back by itself after a drop, also when the server is away for a while', async () => {
      const cli = tunnel();
      await cli.shows('Press Ctrl+C');
      const sshPort = ssh.port;
      const client = new pg.Client(local());
      client.on('error', () => {});
      await client.connect();
      const lost = new Promise((resolve) => client.once('end', resolve));
      await ssh.stop();
      await cli.shows('The tunnel has dropped');
      await lost;
      await ssh.start(sshPort);
      await cli.shows('The tunnel is back');
      expect(await value(`postgres://p_rw_test:${PASSWORD}@127.0.0.1:${port}/postgres?sslmode=no-verify`)).toBe('2');
      cli.process.kill('SIGINT');
      expect((await cli.finished).code).toBe(0);
    });

    test('ends with a sentence when its credentials are not accepted any more', async () => {
      const cli = tunnel();
      await cli.shows('Press Ctrl+C');
      ssh.acceptsKeys = false;
      ssh.drop();
      const { code, stderr } = await cli.finished;
      expect(flat(stderr)).toContain('The credentials of this session are not accepted');
      expect(code).toBe(1);
    });

    test('never speaks to a server with another host key', async () => {
      const other = new SshServer(DATABASE_HOST, () => postgres.port);
      answerUsers({ ssh: { publicSshHostKey: other.hostKey.public } });
      const { code, stderr } = await tunnel().finished;
      expect(flat(stderr)).toContain('shows another host key');
      expect(code).toBe(1);
      expect(ssh.logins).toBe(0);
    });

    test('a local port that is taken is a sentence that names --port', async () => {
      const holder = createServer();
      await new Promise<void>((resolve) => holder.listen(port, '127.0.0.1', resolve));
      const { code, stderr } = await tunnel().finished;
      holder.close();
      expect(flat(stderr)).toContain(`Local port ${port} is already in use. Choose another one with --port (-p)`);
      expect(code).toBe(1);
    });

    test('a host that the server does not forward to closes the connection, and says so', async () => {
      answerUsers({ database: { dbHost: 'primary.c0other.borealis.internal' } });
      const cli = tunnel();
      await cli.shows('Press Ctrl+C');
      await expect(value(`postgres://u:p@127.0.0.1:${port}/postgres`)).rejects.toThrow();
      await cli.shows('A connection through the tunnel was refused');
      cli.process.kill('SIGINT');
      expect((await cli.finished).code).toBe(0);
    });
  });

  describe.skipIf(!hasPsql())('psql (needs psql on this machine)', () => {
    test('runs with a verified certificate and passes its exit code on', async () => {
      const sql =
        'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid();\n\\echo mode :SSLMODE\n\\! echo $PGSSLMODE\n\\q';
      const { code, stdout, stderr } = await run(
        api.url,
        ['borealis-pg:psql', '-a', 'sushi', '-p', String(port)],
        {},
        sql,
      );
      expect(stdout).toContain('verify-full');
      expect(stdout).toMatch(/ssl\s+-+\s+t\n/);
      expect(stderr).not.toContain('Warning');
      expect(code).toBe(0);
      const failed = await run(
        api.url,
        ['borealis-pg:psql', '-a', 'sushi'],
        {},
        '\\set ON_ERROR_STOP 1\nSELECT 1/0;\n',
      );
      expect(failed.stderr).toContain('division by zero');
      expect(failed.code).toBe(3);
    });

    test("does not connect to a server whose certificate is another cluster's", async () => {
      ssh = await replaced(ssh, 'primary.c0other.borealis.internal');
      answerUsers({ database: { dbHost: 'primary.c0other.borealis.internal' } });
      const { code, stderr } = await run(api.url, ['borealis-pg:psql', '-a', 'sushi'], {}, 'SELECT 1;\n');
      expect(stderr).toContain('does not match host name "primary.c0other.borealis.internal"');
      expect(code).toBe(2);
    });

    test('warns where no authority is told, and encrypts all the same', async () => {
      answerUsers({ database: { caCertificate: undefined } });
      const sql = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid();\n';
      const { code, stdout, stderr } = await run(api.url, ['borealis-pg:psql', '-a', 'sushi'], {}, sql);
      expect(flat(stderr)).toContain('told no certificate authority');
      expect(stdout).toMatch(/ssl\s+-+\s+t\n/);
      expect(code).toBe(0);
    });

    test('takes the authority of BOREALIS_CA_FILE and a free port when 5432 is taken', async () => {
      answerUsers({ database: { caCertificate: undefined } });
      const holder = createServer();
      // Another program may hold the port already, which is as good.
      await new Promise<void>((resolve) => holder.once('error', () => resolve()).listen(5432, '127.0.0.1', resolve));
      const env = { BOREALIS_CA_FILE: postgres.caFile };
      const { code, stdout, stderr } = await run(api.url, ['borealis-pg:psql', '-a', 'sushi'], env, 'SELECT 40 + 2;\n');
      holder.close();
      expect(stdout).toContain('42');
      expect(stderr).not.toContain('Warning');
      expect(code).toBe(0);
    });

    test('leaves Ctrl+C to psql', async () => {
      const { entered, open } = await closedDoor();
      const cli = new Cli(api.url, ['borealis-pg:psql', '-a', 'sushi'], {}, `${ENTER};\nSELECT 40 + 2;\n`);
      await entered();
      cli.process.kill('SIGINT');
      await open();
      const { code, stdout } = await cli.finished;
      expect(stdout).toContain('42');
      expect(code).toBe(0);
    });
  });

  test('psql that is not there is a sentence with how to install it', async () => {
    const missing = await run(api.url, ['borealis-pg:psql', '-a', 'sushi'], { PATH: '/nowhere' });
    expect(flat(missing.stderr)).toContain('apt-get install postgresql-client');
    expect(missing.code).toBe(1);
  });

  describe('run', () => {
    const db = (...args: string[]) => runHere(api.url, Run, ['-a', 'sushi', '-u', '-p', String(port), ...args]);

    test('prints the last result of a script in every format', async () => {
      const script =
        "CREATE TEMP TABLE t (id int, note text); INSERT INTO t VALUES (1, 'a,b'), (2, NULL); SELECT * FROM t";
      expect((await db('-d', script)).stdout).toBe(' id | note\n----+------\n  1 | a,b\n  2 |\n(2 rows)\n');
      expect((await db('-d', script, '-f', 'csv')).stdout).toBe('id,note\n1,"a,b"\n2,\n');
      expect(JSON.parse((await db('-d', script, '-f', 'json')).stdout)).toEqual([
        { id: 1, note: 'a,b' },
        { id: 2, note: null },
      ]);
      expect((await db('-d', script, '-f', 'yaml')).stdout).toBe('- id: 1\n  note: a,b\n- id: 2\n  note: null\n');
    });

    test('verifies the certificate, and says why it does not connect', async () => {
      const ssl = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()';
      expect((await db('-d', ssl, '-f', 'csv')).stdout).toBe('ssl\nt\n');
      ssh = await replaced(ssh, 'primary.c0other.borealis.internal');
      answerUsers({ database: { dbHost: 'primary.c0other.borealis.internal' } });
      const { code, stderr } = await db('-d', ssl);
      expect(stderr).toContain("does not match certificate's altnames");
      expect(code).toBe(1);
    });

    test('an SQL error has its place, its code and exit code 1, and changes nothing', async () => {
      const { code, stderr } = await db('-d', 'CREATE TABLE left_over (a int);\nSELECT ü FROM left_over');
      expect(stderr).toContain('ERROR:  column "ü" does not exist\nLINE 2, column 8\nHINT:');
      expect(stderr).toContain('CODE:  42703');
      expect(code).toBe(1);
      expect((await postgres.query("SELECT to_regclass('left_over') AS it")).rows).toEqual([{ it: null }]);
    });

    test("works as the app's user from its config var: the writer with -w, else the reader", async () => {
      await postgres.query(
        `CREATE ROLE app_ro_test LOGIN PASSWORD '${PASSWORD}'; CREATE ROLE app_rw_test LOGIN PASSWORD '${PASSWORD}'`,
      );
      api.answers.set('GET /apps/sushi/config-vars', {
        status: 200,
        body: { DATABASE_TUNNEL_BPG_CONN_INFO: connInfo() },
      });
      const who = ['-a', 'sushi', '-d', 'SELECT current_user AS me', '-f', 'csv'];
      const asApp = (...args: string[]) => runHere(api.url, Run, [...who, ...args]);
      expect((await asApp()).stdout).toBe('me\napp_ro_test\n');
      expect((await asApp('-w')).stdout).toBe('me\napp_rw_test\n');
      expect(api.of('POST', `${RESOURCE}/personal-db-users`)).toEqual([]);
    });

    test('a shell command finds the database in its environment and its exit code is passed on', async () => {
      const names = [
        'PGHOST',
        'PGPORT',
        'PGDATABASE',
        'PGUSER',
        'PGPASSWORD',
        'PGSSLMODE',
        'PGSSLROOTCERT',
        'DATABASE_URL',
      ];
      const command = `${names.map((name) => `echo "${name}=$${name}"`).join('; ')}; cat "$PGSSLROOTCERT"; echo "[$PGSERVICE]"; exit 7`;
      const env = { PGSERVICE: 'another', PGHOSTADDR: '192.0.2.1', DATABASE_URL: 'postgres://another' };
      const { code, stdout } = await run(
        api.url,
        ['borealis-pg:run', '-a', 'sushi', '-u', '-e', command, '-p', String(port)],
        env,
      );
      expect(code).toBe(7);
      const [, caFile = ''] = /PGSSLROOTCERT=(\S+)/.exec(stdout) ?? [];
      const url = `postgres://p_rw_test:${PASSWORD}@localhost:${port}/postgres?sslmode=verify-full&sslrootcert=${encodeURIComponent(caFile)}`;
      expect(stdout).toBe(
        `PGHOST=localhost\nPGPORT=${port}\nPGDATABASE=postgres\nPGUSER=p_rw_test\nPGPASSWORD=${PASSWORD}\n` +
          `PGSSLMODE=verify-full\nPGSSLROOTCERT=${caFile}\nDATABASE_URL=${url}\n${readFileSync(postgres.caFile, 'utf8')}[]\n`,
      );
      expect(existsSync(caFile)).toBe(false);
    });

    test("a shell command's DATABASE_URL is enough for a client that reads nothing else", async () => {
      const pgPath = JSON.stringify(import.meta.resolve('pg'));
      const code = `const pg = (await import(${pgPath})).default; const c = new pg.Client({ connectionString: process.env.DATABASE_URL }); await c.connect(); console.log((await c.query('SELECT 40 + 2 AS n')).rows[0].n); await c.end()`;
      const command = `env -u PGHOST -u PGSSLMODE -u PGSSLROOTCERT ${process.execPath} --input-type=module -e ${JSON.stringify(code)}`;
      const { stdout, code: exit } = await run(api.url, ['borealis-pg:run', '-a', 'sushi', '-u', '-e', command]);
      expect(stdout).toBe('42\n');
      expect(exit).toBe(0);
    });

    test('Ctrl+C during a query ends it, leaves nothing behind and exits with 130', async () => {
      const cli = new Cli(api.url, ['borealis-pg:run', '-a', 'sushi', '-u', '-d', 'SELECT pg_sleep(600)']);
      const sleeping = () => postgres.query("SELECT 1 FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep.600'");
      await until(async () => (await sleeping()).rowCount === 1);
      cli.process.kill('SIGINT');
      expect((await cli.finished).code).toBe(130);
      await postgres.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep.600'",
      );
    });

    test('reads a script from standard input, and never a secret from the arguments', async () => {
      const { entered, open } = await closedDoor();
      const args = ['borealis-pg:run', '-a', 'sushi', '-u', '-i', '-', '-f', 'csv'];
      const cli = new Cli(api.url, args, {}, `${ENTER}; SELECT 42 AS n`);
      await entered();
      expect(spawnSync('ps', ['axww', '-o', 'args']).stdout.toString()).not.toContain(PASSWORD);
      await open();
      expect((await cli.finished).stdout).toBe('n\n42\n');
    });
  });
});

const ENTER = 'SELECT pg_advisory_lock(1)';

/** Holds up whoever enters, for as long as the test looks at him. */
async function closedDoor() {
  const holder = new pg.Client({ ...local(), port: postgres.port, ssl: false });
  holder.on('error', () => {});
  await holder.connect();
  await holder.query(ENTER);
  const waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
  return {
    entered: () => until(async () => (await holder.query(waiting)).rowCount === 1),
    open: () => holder.end(),
  };
}

function tunnel(...args: string[]): Cli {
  return new Cli(api.url, ['borealis-pg:tunnel', '-a', 'sushi', '-p', String(port), ...args]);
}

/** What the add-on API answers to the two requests for personal users; parts may be put in their place. */
function answerUsers({ ssh: sshPart = {}, database = {} }: { ssh?: object; database?: object }): void {
  const dbUser = { dbHost: DATABASE_HOST, dbName: 'postgres', dbUsername: 'p_rw_test', dbPassword: PASSWORD };
  const sshBody = { ...ssh.sshUser, ...sshPart };
  const databaseBody = { ...dbUser, caCertificate: postgres.ca, ...database };
  api.answers.set(`POST ${RESOURCE}/personal-ssh-users`, { status: 201, body: sshBody });
  api.answers.set(`POST ${RESOURCE}/personal-db-users`, { status: 201, body: databaseBody });
}

async function replaced(before: SshServer, host: string): Promise<SshServer> {
  await before.stop();
  const after = new SshServer(host, () => postgres.port);
  await after.start();
  return after;
}

function connInfo(): string {
  const roles = ['READER', 'WRITER'].flatMap((role) => [
    `POSTGRES_${role}_HOST:=${DATABASE_HOST}`,
    `POSTGRES_${role}_USERNAME:=app_${role === 'WRITER' ? 'rw' : 'ro'}_test`,
    `POSTGRES_${role}_PASSWORD:=${PASSWORD}`,
  ]);
  return ['ADDON_ID:=1', 'POSTGRES_DB_NAME:=postgres', 'POSTGRES_PORT:=5432', ...roles].join('|');
}

function local(): pg.ClientConfig {
  const ssl = { ca: postgres.ca, servername: DATABASE_HOST };
  return { host: '127.0.0.1', port, user: 'p_rw_test', password: PASSWORD, database: 'postgres', ssl };
}

async function value(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query("SELECT '2' AS value")).rows[0].value;
  } finally {
    await client.end();
  }
}

/** The CLI wraps messages at the width of the terminal. */
function flat(text: string): string {
  return text.replace(/\s*\n\s*[›»]?\s*/g, ' ');
}
