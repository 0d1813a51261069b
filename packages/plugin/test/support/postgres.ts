import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePort } from '../../../../test/support/tunnel.js';
import { until } from './cli.js';

export const DATABASE_HOST = 'primary.c0test.borealis.internal';
export const PASSWORD = 'S3cretPassword';

/** A real PostgreSQL with TLS on a loopback port, its authority, and the user `p_rw_test`. */
export class Postgres {
  readonly port: number;
  readonly ca: string;
  readonly #home: string;
  readonly #process: ChildProcess;

  private constructor(port: number, ca: string, home: string, process: ChildProcess) {
    this.port = port;
    this.ca = ca;
    this.#home = home;
    this.#process = process;
  }

  static async start(bin: string): Promise<Postgres> {
    const home = mkdtempSync(join(tmpdir(), 'bpp-'));
    chmodSync(home, 0o755);
    const data = join(home, 'data');
    const port = await freePort();
    const ca = makeCertificates(home);
    const user = ownUser();
    mkdirSync(data);
    for (const file of [data, join(home, 'server.key')]) if (user) chownSync(file, user.uid, user.gid);
    const secret = join(home, 'password');
    writeFileSync(secret, PASSWORD);
    const initdb = [
      '-D',
      data,
      '-U',
      'p_rw_test',
      '-A',
      'scram-sha-256',
      '--pwfile',
      secret,
      '-E',
      'UTF8',
      '--locale=C',
      '-N',
    ];
    execFileSync(...asUser(user, join(bin, 'initdb'), initdb), { stdio: 'pipe', cwd: home });
    const settings = {
      port: String(port),
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      ssl: 'on',
      fsync: 'off',
      ssl_cert_file: join(home, 'server.crt'),
      ssl_key_file: join(home, 'server.key'),
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const process = spawn(...asUser(user, join(bin, 'postgres'), ['-D', data, ...flags]), {
      stdio: 'ignore',
      cwd: home,
    });
    const postgres = new Postgres(port, ca, home, process);
    await until(() => postgres.accepts());
    return postgres;
  }

  get caFile(): string {
    return join(this.#home, 'ca.crt');
  }

  async query(sql: string): Promise<pg.QueryResult> {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: this.port,
      user: 'p_rw_test',
      password: PASSWORD,
      database: 'postgres',
    });
    await client.connect();
    try {
      return await client.query(sql);
    } finally {
      await client.end();
    }
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGQUIT');
    await ended;
    rmSync(this.#home, { recursive: true, force: true });
  }

  private accepts(): Promise<boolean> {
    return this.query('SELECT 1').then(
      () => true,
      () => false,
    );
  }
}

/** An authority and a server certificate with every name that a tunnel's clients may verify. */
export function makeCertificates(home: string): string {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: home, stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '2', '-subj', '/CN=Test authority');
  openssl('req', ...key, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=c0test');
  writeFileSync(join(home, 'names'), `subjectAltName=DNS:${DATABASE_HOST},DNS:localhost,IP:127.0.0.1\n`);
  openssl(
    'x509',
    '-req',
    '-in',
    'server.csr',
    '-CA',
    'ca.crt',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-days',
    '2',
    '-extfile',
    'names',
    '-out',
    'server.crt',
  );
  chmodSync(join(home, 'server.key'), 0o600);
  return readFileSync(join(home, 'ca.crt'), 'utf8');
}

/** PostgreSQL refuses to run as root: then it runs as the system's own user for it. */
function ownUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string) => Number(execFileSync('id', [flag, process.env.BOREALIS_TEST_OS_USER!]).toString());
  return { uid: id('-u'), gid: id('-g') };
}

function asUser(user: { uid: number; gid: number } | undefined, file: string, args: string[]): [string, string[]] {
  if (user === undefined) return [file, args];
  return ['setpriv', [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups', file, ...args]];
}
