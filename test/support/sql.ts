import { readFileSync } from 'node:fs';
import { Client, type QueryResultRow } from 'pg';

/** A client through a tunnel's local port that verifies the server's certificate against the service's own authority. */
export async function connectThrough(url: string, caFile: string): Promise<Client> {
  const client = new Client({ connectionString: url, ssl: { ca: readFileSync(caFile, 'utf8') } });
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** Runs one statement on a connection of its own. */
export async function query<T extends QueryResultRow>(url: string, caFile: string, sql: string): Promise<T[]> {
  const client = await connectThrough(url, caFile);
  try {
    return (await client.query<T>(sql)).rows;
  } finally {
    await client.end();
  }
}
