import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';

const SYSTEM = '/usr/lib/postgresql';

/** A PostgreSQL of the test's own on a Unix socket, run by the user `postgres` when the test is root. */
export class TestPostgres {
  #databases = 0;

  private constructor(
    private readonly directory: string,
    private readonly server: ChildProcess,
  ) {}

  static async start(): Promise<TestPostgres> {
    const directory = await mkdtemp(join(tmpdir(), 'sv-'));
    await chmod(directory, 0o755);
    const user = process.getuid?.() === 0 ? serverUser() : undefined;
    if (user) await chown(directory, user.uid, user.gid);
    const data = join(directory, 'data');
    const as = { ...user, env: { ...process.env, LC_ALL: 'C' }, stdio: 'ignore' as const, cwd: directory };
    execFileSync(join(bin(), 'initdb'), ['-D', data, '-U', 'test', '-A', 'trust', '--no-sync'], as);
    const settings = ['-c', 'fsync=off', '-c', 'listen_addresses=', '-c', `unix_socket_directories=${directory}`];
    const server = spawn(join(bin(), 'postgres'), ['-D', data, ...settings], as);
    const started = new TestPostgres(directory, server);
    await started.#untilReady();
    return started;
  }

  /** A fresh database; `template` names one to copy. */
  async database(template = 'template1'): Promise<string> {
    const name = `t${++this.#databases}`;
    await this.admin(`create database ${name} template ${template}`);
    return name;
  }

  connection(database: string): pg.ClientConfig {
    return { host: this.directory, user: 'test', database };
  }

  async admin(sql: string): Promise<void> {
    const client = new pg.Client(this.connection('postgres'));
    await client.connect();
    await client.query(sql).finally(() => client.end());
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.server.once('exit', resolve));
    this.server.kill('SIGINT');
    await ended;
    await rm(this.directory, { recursive: true, force: true });
  }

  async #untilReady(): Promise<void> {
    for (let tries = 0; ; tries++) {
      try {
        return await this.admin('select 1');
      } catch (error) {
        if (tries > 300) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }
}

function bin(): string {
  const set = process.env.BOREALIS_TEST_PG_BIN;
  if (set) return set;
  const newest = existsSync(SYSTEM) ? readdirSync(SYSTEM).sort((a, b) => Number(b) - Number(a))[0] : undefined;
  if (!newest)
    throw new Error(`No PostgreSQL in ${SYSTEM}: set BOREALIS_TEST_PG_BIN to a folder with postgres and initdb.`);
  return join(SYSTEM, newest, 'bin');
}

function serverUser(): { uid: number; gid: number } {
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}
