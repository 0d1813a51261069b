import { join } from 'node:path';
import {
  type ClientTools,
  caughtUp,
  connect,
  copySchema,
  guardSchema,
  logEnd,
  prepareSource,
  type ServerSpec,
  subscribe,
  syncProgress,
  writeSubscriptionPassword,
} from '../../src/index.js';
import { type TemporaryServer, temporaryServer } from '../../src/testing.js';
import { eventually } from '../support.js';

export const OWNER = 'app_rw_up';
export const ACCESS = {
  databases: [{ name: 'tenant', owner: OWNER }],
  roles: ['app_rw_up', 'app_ro_up', 'p_rw_ann', 'p_ro_ann'].map((name) => ({ name, database: 'tenant' })),
  backendPassword: 'of-a-test',
};

/** Two servers of different majors, with the same databases and roles. */
export interface Pair {
  old: TemporaryServer;
  next: TemporaryServer;
  passwordFile: string;
  remove(): Promise<void>;
}

export async function startPair(from: string, to: string): Promise<Pair> {
  const options = { access: { method: 'scram' as const } };
  const old = await temporaryServer(from, options);
  const next = await temporaryServer(to, options).catch(async (error: unknown) => {
    await old.remove();
    throw error;
  });
  const remove = async () => {
    // The one that is fed first: it would only complain that the other is gone.
    await next.remove();
    await old.remove();
  };
  try {
    for (const server of [old, next]) await server.setAccess(ACCESS);
    const passwordFile = join(next.spec.dataDirectory, '..', 'password');
    await writeSubscriptionPassword(old.spec, passwordFile, next.spec.os);
    return { old, next, passwordFile, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Everything before the cut-over; fails the test on what the next major does not take. */
export async function copyAll({ old, next, passwordFile }: Pair, tools: ClientTools): Promise<void> {
  await eventually(() => guardSchema(old.spec, ['tenant']));
  await prepareSource(old.spec, ['tenant']);
  const complaints = await copySchema(old.spec, next.spec, 'tenant', { tools, signal: new AbortController().signal });
  if (complaints.length > 0) throw new Error(complaints.join('\n'));
  await subscribe(old.spec, next.spec, 'tenant', { passwordFile });
  await eventually(async () => {
    const { ready, all } = await syncProgress(next.spec, 'tenant');
    return ready === all;
  });
}

/** Waits until the other server has everything. */
export async function follow(from: ServerSpec, to: ServerSpec): Promise<void> {
  const end = await logEnd(from);
  await eventually(() => caughtUp(from, to, ['tenant'], end));
}

/** Runs statements as a superuser, or as that role, in the tenant's database. */
export async function run(spec: ServerSpec, statements: readonly string[], role?: string): Promise<void> {
  const client = await connect(spec, 'tenant');
  try {
    await client.query('set search_path = public');
    if (role !== undefined) await client.query(`set session authorization ${role}`);
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}
