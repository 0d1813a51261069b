import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { languages } from './languages.js';

/** The snippets of the product document that docs/clients.md corrects, as they are printed there. */
const snippets = {
  Ruby: `require 'pg'
db_conn = PG.connect(connection_string: ENV["DATABASE_URL"])
`,
  'Node.js': `const {Client} = require('pg');
const dbClient = new Client({connectionString: process.env.DATABASE_URL});
await dbClient.connect();
`,
  Go: `package main
import (
"database/sql"
_ "github.com/lib/pq"
)
func main() {
dbConn, dbErr := sql.Open("postgres", os.Getenv("DATABASE_URL"))
if dbErr != nil {
log.Fatalf("Error connecting to database: %q", dbErr)
}
}
`,
  'PHP Data Objects': `<?php
$dbinfo = parse_url(getenv("DATABASE_URL"));
$dbname = ltrim($dbinfo["path"], "/")
$dbconn = new PDO("pgsql:host=" . $dbinfo["host"] . ";port=" . $dbinfo["port"]);
`,
};

/** What the language itself says about a printed snippet: its compiler, or its interpreter where no server listens. */
export function complaintAbout(heading: keyof typeof snippets): string {
  const directory = mkdtempSync(join(tmpdir(), 'printed-'));
  try {
    const command = languages[heading].build(directory, 'printed', snippets[heading]);
    const env = { ...process.env, DATABASE_URL: 'postgres://u:p@127.0.0.1:1/x' };
    const { stdout, stderr } = spawnSync('sh', ['-c', command], { cwd: directory, env, encoding: 'utf8' });
    return stdout + stderr;
  } catch (error) {
    return (error as Error).message;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
