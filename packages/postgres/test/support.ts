import pg from 'pg';
import { offeredMajors } from '../src/index.js';
import type { ServerSpec } from '../src/server/spec.js';

/** The default one in every run, all of them in the full one. */
export const majors = process.env.BOREALIS_TEST === 'full' ? offeredMajors() : ['16'];

export const asRoot = process.getuid?.() === 0;

/** A session of a tenant's role, as the gateway would open it. */
export async function logIn(spec: ServerSpec, role: string, database: string, password?: string): Promise<pg.Client> {
  const client = new pg.Client({
    host: spec.socketDirectory,
    port: spec.port,
    user: role,
    database,
    ...(password === undefined ? {} : { password }),
  });
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** Runs one statement as that role in a session of its own. */
export async function as(spec: ServerSpec, role: string, database: string, sql: string): Promise<pg.QueryResult> {
  const client = await logIn(spec, role, database);
  try {
    return await client.query(sql);
  } finally {
    await client.end();
  }
}

/** Resolves when `holds` does; fails the test when it does not within a minute. */
export async function eventually(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('the condition did not come true within a minute');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
