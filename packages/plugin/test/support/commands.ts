import { execFileSync } from 'node:child_process';

/** The folder of the PostgreSQL server that the suite's global setup fetched. */
export function postgresBin(): string {
  return process.env.BOREALIS_TEST_POSTGRES_BIN!;
}

export function hasPsql(): boolean {
  try {
    execFileSync('psql', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
