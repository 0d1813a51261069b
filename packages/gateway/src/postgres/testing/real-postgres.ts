import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A real server on a Unix socket, with two tenants by peer authentication and one (`gamma`) by password. */
export interface RealPostgres {
  dataDirectory: string;
  socketDirectory: string;
  port: number;
  start(): Promise<void>;
  /** Stops it: `fast` ends sessions with 57P01, `immediate` just drops them, `kill` leaves them alone to notice. */
  stop(mode: 'fast' | 'immediate' | 'kill'): Promise<void>;
  /** Stops it and removes every trace. */
  remove(): Promise<void>;
}

/** Password of the tenant roles of `gamma` towards PostgreSQL. */
export const CLUSTER_PASSWORD = 'cluster-secret-of-this-test';

const PEER_ROLES = ['app_rw_alpha', 'app_ro_alpha', 'app_rw_beta'];
const PORT = 5432;

const SETUP = [
  ...PEER_ROLES.map((role) => `CREATE ROLE ${role} LOGIN`),
  `SET password_encryption = 'scram-sha-256'`,
  `CREATE ROLE app_rw_gamma LOGIN PASSWORD '${CLUSTER_PASSWORD}'`,
  'CREATE DATABASE alpha OWNER app_rw_alpha',
  'CREATE DATABASE beta OWNER app_rw_beta',
  'CREATE DATABASE gamma OWNER app_rw_gamma',
  'REVOKE ALL ON DATABASE beta FROM public',
];

/** Directory of `postgres` and `initdb`: `BOREALIS_TEST_POSTGRES_BIN`, else the newest that a Debian-like system has. */
function binaries(): string {
  const asked = process.env.BOREALIS_TEST_POSTGRES_BIN;
  const root = '/usr/lib/postgresql';
  const majors = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
  const candidates = [...(asked ? [asked] : []), ...majors.map((major) => join(root, major, 'bin'))];
  const found = candidates.find((dir) => existsSync(join(dir, 'postgres')) && existsSync(join(dir, 'initdb')));
  if (!found)
    throw new Error('no PostgreSQL server found: set BOREALIS_TEST_POSTGRES_BIN to the directory of its binaries');
  return found;
}

/** PostgreSQL refuses to run as root; `BOREALIS_TEST_OS_USER` names whom to run it as instead. */
const isRoot = process.getuid?.() === 0;
const serverUser = process.env.BOREALIS_TEST_OS_USER || 'postgres';
const asServerUser = (command: string[]): [string, string[]] => {
  const all = isRoot
    ? ['setpriv', `--reuid=${serverUser}`, `--regid=${serverUserId('-g')}`, '--clear-groups', ...command]
    : command;
  return [all[0]!, all.slice(1)];
};

const serverUserId = (flag: '-u' | '-g') => Number(execFileSync('id', [flag, serverUser], { encoding: 'utf8' }));

/** Makes and starts a server in a directory of its own, of the programs in `bin`. */
export async function realPostgres(bin = binaries()): Promise<RealPostgres> {
  const root = mkdtempSync(join(tmpdir(), 'gwpg-'));
  const [data, sockets] = [join(root, 'd'), join(root, 's')];
  chmodSync(root, 0o755);
  for (const dir of [data, sockets]) {
    mkdirSync(dir, { mode: dir === data ? 0o700 : 0o755 });
    if (isRoot) chownSync(dir, serverUserId('-u'), serverUserId('-g'));
  }
  initialize(bin, data);
  let child: ChildProcess | null = null;
  const end = async (signal: NodeJS.Signals) => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child?.once('exit', resolve));
    child.kill(signal);
    await exited;
  };
  const server: RealPostgres = {
    dataDirectory: data,
    socketDirectory: sockets,
    port: PORT,
    start: async () => {
      const [file, args] = asServerUser([join(bin, 'postgres'), '-D', data, '-k', sockets, ...SETTINGS]);
      await accepting(join(sockets, `.s.PGSQL.${PORT}`), () => {
        // After a kill, the old server's processes may still have to notice it.
        if (!child || child.exitCode !== null || child.signalCode !== null)
          child = spawn(file, args, { stdio: 'ignore' });
      });
    },
    stop: (mode) => end(SIGNALS[mode]),
    remove: async () => {
      await server.stop('immediate');
      rmSync(root, { recursive: true, force: true });
    },
  };
  await server.start();
  return server;
}

const SIGNALS = { fast: 'SIGINT', immediate: 'SIGQUIT', kill: 'SIGKILL' } as const;

const SETTINGS = ['listen_addresses=', 'fsync=off', 'max_connections=60', 'logging_collector=off'].flatMap((s) => [
  '-c',
  s,
]);

function initialize(bin: string, data: string): void {
  const [initdb, args] = asServerUser([
    join(bin, 'initdb'),
    '-D',
    data,
    '-U',
    'postgres',
    '-N',
    '--locale=C',
    '-E',
    'UTF8',
    '-A',
    'peer',
  ]);
  execFileSync(initdb, args, { stdio: 'ignore' });
  const me = userInfo().username;
  const hba = ['local all postgres peer map=admin', 'local gamma all scram-sha-256', 'local all all peer map=tenant'];
  const ident = [`admin ${me} postgres`, ...PEER_ROLES.map((role) => `tenant ${me} ${role}`)];
  writeFileSync(join(data, 'pg_hba.conf'), `${hba.join('\n')}\n`);
  writeFileSync(join(data, 'pg_ident.conf'), `${ident.join('\n')}\n`);
  const [postgres, single] = asServerUser([join(bin, 'postgres'), '--single', '-D', data, 'postgres']);
  execFileSync(postgres, single, { input: `${SETUP.join('\n')}\n`, stdio: ['pipe', 'ignore', 'ignore'] });
}

/** The socket takes a connection, and the server has something to say on it other than "starting up". */
async function accepting(path: string, ensureRunning: () => void): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    ensureRunning();
    if (await answers(path)) return;
    await sleep(50);
  }
  throw new Error('PostgreSQL did not start within 30 s');
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on('error', () => resolve(false));
    // A start-up packet for a role that is not there: any answer but 57P03 means that it is up.
    socket.once('data', (data) => {
      socket.destroy();
      resolve(!data.includes('57P03'));
    });
    socket.once('close', () => resolve(false));
    const body = Buffer.from('\0\x03\0\0user\0nobody\0\0', 'latin1');
    const length = Buffer.alloc(4);
    length.writeInt32BE(body.length + 4);
    socket.write(Buffer.concat([length, body]));
  });
}
