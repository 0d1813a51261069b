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
