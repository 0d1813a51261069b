import { expect, test } from 'vitest';
import { damageIn } from '../src/server/damage.js';

const PREFIX = '2026-03-04 05:06:07.890 UTC [4711] ';

test.each([
  ['PANIC:  could not locate a valid checkpoint record', 'could not locate a valid checkpoint record'],
  ['FATAL:  incorrect checksum in control file', 'incorrect checksum in control file'],
  ['FATAL:  could not open file "pg_xact/0000": No such file or directory', /pg_xact/],
  ['PANIC:  could not read file "global/pg_control": read 100 of 296', /pg_control/],
])('damage is found in what a server says: %s', (line, said) => {
  const log = `PostgreSQL in "/x" ended instead of accepting connections: ${PREFIX}LOG:  skipping missing configuration file "/x/postgresql.auto.conf"\n${PREFIX}${line}\n${PREFIX}LOG:  shut down`;
  expect(damageIn(log)).toMatch(said);
});

test('damage is found in how a log-in is refused', () => {
  expect(damageIn('could not open file "global/1262": No such file or directory')).toContain('global/1262');
});

test.each([
  'could not open file "global/1262": Permission denied',
  'could not write to file "pg_wal/xlogtemp.1": No space left on device',
  'could not open configuration file "/x/pg_hba.conf": No such file or directory',
  'lock file "postmaster.pid" already exists',
  'pre-existing shared memory block (key 1, ID 2) is still in use',
  'could not access file "nonsense": No such file or directory',
  'startup process (PID 3) was terminated by signal 9: Killed',
  'the database system is starting up',
])('nothing else is taken for damage: %s', (line) => {
  expect(damageIn(`${PREFIX}FATAL:  ${line}`)).toBeNull();
});

test('damage is no proof beside another reason', () => {
  const said = [
    'PANIC:  could not locate a valid checkpoint record',
    'LOG:  could not open file "x": Input/output error',
  ];
  expect(damageIn(said.join('\n'))).toBeNull();
});

test('data of another major is not damaged: the wrong server was started', () => {
  const detail =
    'DETAIL:  The data directory was initialized by PostgreSQL version 15, which is not compatible with 16.4.';
  expect(damageIn(`${PREFIX}FATAL:  database files are incompatible with server\n${detail}`)).toBeNull();
});
