import { formatVerifier, makeVerifier, type PostgresMajor } from '@borealis/contract';
import type { ClusterAccess, DatabaseSpec, Engine, GatewayEndpoint, RoleSpec } from '@borealis/engine';
import { cacheDirectory, type TenantBounds } from '@borealis/postgres';
import pg from 'pg';
import { pino } from 'pino';
import { sshKey } from '../../../../test/support/ssh-key.js';
import { type Keeper, startKeeper } from '../../src/keeper.js';
import { gatewayBundle, SPEC, temporaryDirectory, untilReady } from '../support/home.js';
import { queryDirectly } from '../support/superuser.js';
import { type OpenTunnel, openTunnel } from '../support/tunnel.js';

export const isFull = process.env.BOREALIS_TEST === 'full';

/** Default in every run; oldest and newest too in the full one. */
export const MAJORS: PostgresMajor[] = isFull ? ['13', '16', '18'] : ['16'];

const ID = 'shared1';
const KINDS = ['app_rw', 'app_ro', 'p_rw', 'p_ro'] as const;
export type Kind = (typeof KINDS)[number];

/** One tenant: a database, four roles, an SSH user, and what it needs to come in. */
export class Tenant {
  readonly key = sshKey();
  readonly database: string;
  readonly username: string;
  readonly password: string;

  constructor(readonly name: string) {
    this.database = `db_${name}`;
    this.username = `tunnel-${name}`;
    this.password = `Pa55wordOf${name}`;
  }

  role(kind: Kind): string {
    return `${kind}_${this.name}`;
  }

  get databaseSpec(): DatabaseSpec {
    return { name: this.database, owner: this.role('app_rw') };
  }

  async roles(kinds: readonly Kind[] = KINDS): Promise<RoleSpec[]> {
    const verifiers = [formatVerifier(await makeVerifier(this.password))];
    return kinds.map((kind) => ({ name: this.role(kind), database: this.database, verifiers, validUntil: null }));
  }
}

/** A shared cluster with two tenants, behind its real gateway. */
export class SharedCluster {
  readonly hostile = new Tenant('mallory');
  readonly victim = new Tenant('bob');
  engine!: Engine;
  gateway!: GatewayEndpoint;
  ca!: string;
  #directory!: Awaited<ReturnType<typeof temporaryDirectory>>;
  #keeper!: Keeper;
  #revision = 0;
  readonly #tunnels = new Map<Tenant, OpenTunnel>();

  static async start(major: PostgresMajor, tenantBounds: Partial<TenantBounds> = {}): Promise<SharedCluster> {
    const cluster = new SharedCluster();
    cluster.#directory = await temporaryDirectory();
    const log = pino({ level: 'fatal' });
    const where = { home: cluster.home, cacheDir: cacheDirectory(), gatewayBundle: gatewayBundle() };
    cluster.#keeper = await startKeeper({ ...where, log, tenantBounds });
    cluster.engine = cluster.#keeper.engine;
    await cluster.engine.createCluster(ID, { ...SPEC, major, tenancy: 'shared', vcpu: 2, memoryGiB: 2 });
    cluster.gateway = (await untilReady(cluster.engine, ID)).gateway!;
    cluster.ca = await cluster.engine.caCertificate();
    await cluster.apply([cluster.hostile, cluster.victim]);
    await cluster.as(
      cluster.victim,
      'app_rw',
      `create table secret as select 'of bob' as text; create table progress (n int)`,
    );
    return cluster;
  }

  get home(): string {
    return `${this.#directory.path}/home`;
  }

  async stop(): Promise<void> {
    for (const tunnel of this.#tunnels.values()) tunnel.close();
    await this.#keeper?.stop({ clusters: true });
    await this.#directory?.remove();
  }

  /** Puts a document with these tenants into force; `roles` may leave some of a tenant's roles out. */
  async apply(tenants: Tenant[], roles = (tenant: Tenant) => tenant.roles()): Promise<void> {
    this.#revision++;
    const of = await Promise.all(tenants.map(roles));
    const access: ClusterAccess = {
      revision: this.#revision,
      databases: tenants.map((tenant) => tenant.databaseSpec),
      roles: of.flat(),
      tunnelUsers: tenants.map((tenant, index) => ({
        ...{ username: tenant.username, kind: 'app', label: tenant.name, publicKeys: [tenant.key.public] },
        ...{ database: tenant.database, roles: of[index]!.map(({ name }) => name), validUntil: null },
      })),
    };
    await this.engine.applyAccess(ID, access);
  }

  dropDatabase(tenant: Tenant): Promise<void> {
    return this.engine.dropDatabase(ID, tenant.database);
  }

  openTunnel(username: string, privateKey: string): Promise<OpenTunnel> {
    return openTunnel(ID, this.gateway, username, privateKey);
  }

  /** A session through the tenant's own tunnel. `changes` are what an attacker claims instead of the truth. */
  async session(tenant: Tenant, kind: Kind, changes: pg.ClientConfig = {}): Promise<pg.Client> {
    const tunnel = this.#tunnels.get(tenant) ?? (await this.openTunnel(tenant.username, tenant.key.private));
    this.#tunnels.set(tenant, tunnel);
    const { database, password } = tenant;
    const client = new pg.Client({
      ...{ user: tenant.role(kind), database, password, host: '127.0.0.1', port: tunnel.port, ssl: { ca: this.ca } },
      ...changes,
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
    } catch (error) {
      await client.end().catch(() => undefined);
      throw error;
    }
    return client;
  }

  /** Runs statements in a session of its own. */
  async as(tenant: Tenant, kind: Kind, sql: string, changes?: pg.ClientConfig): Promise<Record<string, unknown>[]> {
    const client = await this.session(tenant, kind, changes);
    try {
      const result = await client.query(sql);
      return (Array.isArray(result) ? result.at(-1) : result).rows;
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  /** SQL as the keeper's own role: what a test needs to know. */
  asSuperuser(sql: string): Promise<Record<string, unknown>[]> {
    return queryDirectly(this.home, ID, sql) as Promise<Record<string, unknown>[]>;
  }

  /** Fails unless the victim's data is whole, and it can connect, write and read. */
  async checkVictim(): Promise<void> {
    const rows = await this.as(
      this.victim,
      'app_rw',
      `insert into progress values (1); insert into progress select pg_advisory_xact_lock(1) is null::int; select text from secret`,
    );
    if (rows.length !== 1 || rows[0]!.text !== 'of bob') throw new Error(`the victim reads ${JSON.stringify(rows)}`);
  }
}

/** The SQLSTATE with which it is refused; `accepted` when it is not. */
export async function codeOf(attempt: Promise<unknown>): Promise<string> {
  return attempt.then(
    () => 'accepted',
    (error: { code?: string; message: string }) => error.code ?? error.message,
  );
}
