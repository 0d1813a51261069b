import { DEFAULT_POSTGRES_MAJOR } from '@borealis/contract';
import { type TemporaryServer, temporaryServer } from '@borealis/postgres/testing';
import pg from 'pg';

/** A PostgreSQL of a test file's own, of the default release, on a Unix socket; nothing of the machine's is needed. */
export class TestPostgres {
  readonly #server: TemporaryServer;
  #databases = 0;

  private constructor(server: TemporaryServer) {
    this.#server = server;
  }

  static async start(): Promise<TestPostgres> {
    return new TestPostgres(await temporaryServer(DEFAULT_POSTGRES_MAJOR, { settings: { max_connections: '100' } }));
  }

  /** A fresh database; `template` names one to copy. */
  async database(template = 'template1'): Promise<string> {
    const name = `t${++this.#databases}`;
    await this.admin(`create database ${name} template ${template}`);
    return name;
  }

  connection(database: string): pg.ClientConfig {
    const { socketDirectory, port, superuser } = this.#server.spec;
    return { host: socketDirectory, port, user: superuser.name, password: superuser.password, database };
  }

  async admin(sql: string): Promise<void> {
    const client = new pg.Client(this.connection('postgres'));
    await client.connect();
    await client.query(sql).finally(() => client.end());
  }

  async stop(): Promise<void> {
    await this.#server.remove();
  }
}
