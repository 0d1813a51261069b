import { Client } from 'pg';

/**
 * The app that the tour runs in a dyno. It knows nothing but its config vars, like any app; it prints what it saw as one
 * line of JSON.
 */
async function main(): Promise<void> {
  const writer = new Client({ connectionString: process.env.DATABASE_URL });
  await writer.connect();
  await writer.query(
    'create table if not exists visit (id bigint generated always as identity primary key, at timestamptz not null)',
  );
  await writer.query('insert into visit (at) values (now())');
  const seen = await writer.query<{ version: string; visits: string }>(
    `select current_setting('server_version') as version, (select count(*) from visit) as visits`,
  );
  await writer.end();

  const reader = new Client({ connectionString: process.env.DATABASE_READONLY_URL });
  await reader.connect();
  const refusal = await reader.query('insert into visit (at) values (now())').then(
    () => null,
    (error: Error) => error.message,
  );
  await reader.end();
  console.log(JSON.stringify({ ...seen.rows[0], readOnlyRefusal: refusal }));
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
