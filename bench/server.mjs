import pg from 'pg';

/** What libpq's programs read to reach a server on its socket as its superuser. */
export function serverEnvironment({ socketDirectory, port, superuser }) {
  return {
    ...process.env,
    PGHOST: socketDirectory,
    PGPORT: String(port),
    PGUSER: superuser.name,
    PGPASSWORD: superuser.password,
    PGDATABASE: 'postgres',
  };
}

/** The rows of one statement, in a session of its own. */
export async function query(env, sql) {
  const { PGHOST: host, PGPORT: port, PGUSER: user, PGPASSWORD: password, PGDATABASE: database } = env;
  const client = new pg.Client({ host, port: Number(port), user, password, database });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}
