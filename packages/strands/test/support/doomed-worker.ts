import { appendFileSync } from 'node:fs';
import pg from 'pg';
import { createStrands } from '../../src/index.js';
import { addon } from './addon.js';

// A worker process that stops in the middle of `create`: the test kills it there. Says so in a file, outside the database.
const { connection, journal, hang } = JSON.parse(process.argv[2]!);
const pool = new pg.Pool(connection);
const kind = addon(async () => {
  appendFileSync(journal, `begin ${process.pid}\n`);
  if (hang) await new Promise((resolve) => setTimeout(resolve, 600_000));
  appendFileSync(journal, `end ${process.pid}\n`);
});
createStrands(pool, [kind], { leaseSeconds: 5, pollSeconds: 0.1, workerId: `doomed ${process.pid}` }).start();
