import { CLIError } from '@oclif/core/errors';
import pg from 'pg';
import type { DatabaseAccess } from '../addon-api/personal-users.js';

/** The last result of a script, every value as PostgreSQL wrote it. */
export interface SqlResult {
  columns: { name: string; typeId: number }[];
  rows: (string | null)[][];
  /** Rows returned or changed; 0 where the command knows no such number. */
  rowCount: number;
}

export interface SqlTarget {
  database: DatabaseAccess;
  /** The tunnel's local port, on 127.0.0.1. */
  port: number;
  /** The authority to verify the server with, in PEM; without it the connection is encrypted and not verified. */
  ca: string | undefined;
}

/** Runs a script of any number of statements, in one transaction unless it says otherwise. Throws a `CLIError` with exit code 1 on an SQL error. */
export async function runSql(target: SqlTarget, script: string, onNotice: (text: string) => void): Promise<SqlResult> {
  const client = new pg.Client(clientConfig(target));
  // Losing the connection rejects the query; without a listener it would end the process as well.
  client.on('error', () => {});
  client.on('notice', ({ severity, message }) => onNotice(`${severity ?? 'NOTICE'}:  ${message ?? ''}`));
  try {
    await client.connect();
    return lastResult(await client.query({ text: script, rowMode: 'array' }));
  } catch (error) {
    throw new CLIError(describe(error as pg.DatabaseError, script), { exit: 1 });
  } finally {
    await client.end().catch(() => {});
  }
}

function clientConfig({ database, port, ca }: SqlTarget): pg.ClientConfig {
  return {
    host: '127.0.0.1',
    port,
    database: database.name,
    user: database.username,
    password: database.password.reveal(),
    application_name: 'heroku borealis-pg:run',
    ssl: ca === undefined ? { rejectUnauthorized: false } : { ca, servername: database.host },
    types: { getTypeParser: () => (text: string | Buffer) => text.toString() } as pg.CustomTypesConfig,
  };
}

function lastResult(answer: pg.QueryArrayResult | pg.QueryArrayResult[]): SqlResult {
  const last = Array.isArray(answer) ? answer.at(-1) : answer;
  return {
    columns: last?.fields.map(({ name, dataTypeID }) => ({ name, typeId: dataTypeID })) ?? [],
    rows: last?.rows ?? [],
    rowCount: last?.rowCount ?? 0,
  };
}

/** The error as psql would show it: where, and what PostgreSQL advises. */
function describe(error: pg.DatabaseError, script: string): string {
  const lines = [`${error.severity ?? 'ERROR'}:  ${error.message}`];
  if (error.position !== undefined) lines.push(location(script, Number(error.position)));
  if (error.detail !== undefined) lines.push(`DETAIL:  ${error.detail}`);
  if (error.hint !== undefined) lines.push(`HINT:  ${error.hint}`);
  if (error.where !== undefined) lines.push(`CONTEXT:  ${error.where}`);
  if (error.code !== undefined) lines.push(`CODE:  ${error.code}`);
  return lines.join('\n');
}

function location(script: string, position: number): string {
  // PostgreSQL counts characters, JavaScript UTF-16 units.
  const before = [...script]
    .slice(0, position - 1)
    .join('')
    .split('\n');
  return `LINE ${before.length}, column ${[...(before.at(-1) ?? '')].length + 1}`;
}
