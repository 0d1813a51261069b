import { chown, mkdir, readFile, rm, stat } from 'node:fs/promises';
import { formatVerifier, makeVerifier } from '@borealis/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sshKey } from '../../../test/support/ssh-key.js';
import { closedParent } from '../src/home/home.js';
import { runtimeDirectory } from '../src/home/paths.js';
import { GENEROUS, isRoot, SPEC, temporaryDirectory, untilReady } from './support/home.js';
import { type KeeperProcess, startKeeperProcess } from './support/keeper-process.js';
import { processesOf, tracesOf } from './support/traces.js';
import { openTunnel, queryThrough } from './support/tunnel.js';

/** `nobody`: exists everywhere and may do nothing. Run by an ordinary user, the tests keep that user. */
const USER = isRoot ? { uid: 65_534, gid: 65_534 } : undefined;

/** As root another user runs this checkout's code here, which he can only where he may enter its directory. */
const closed = USER !== undefined && (await closedParent(import.meta.filename)) !== null;
const NEEDS = closed ? ' (needs a checkout that other users can enter)' : '';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let home: string;
let keeper: KeeperProcess;

beforeAll(async () => {
  if (closed) return;
  directory = await temporaryDirectory();
  // So deep that its sockets have to be elsewhere.
  home = `${directory.path}/${'deep'.repeat(20)}`;
  await mkdir(home);
  if (USER) await chown(home, USER.uid, USER.gid);
  keeper = await startKeeperProcess(home, USER);
}, GENEROUS);

afterAll(async () => {
  if (closed) return;
  await keeper.kill('SIGTERM');
  await directory.remove();
  await rm(runtimeDirectory(home), { recursive: true, force: true });
}, GENEROUS);

test.skipIf(closed)(
  `as an ordinary user everything is one trust domain, closed to others, and a query goes through${NEEDS}`,
  async () => {
    const { engine } = keeper;
    await engine.createCluster('ordinary', SPEC);
    const { gateway } = await untilReady(engine, 'ordinary');
    expect(gateway).toMatchObject({ host: '127.0.0.1' });
    expect(gateway!.port).toBeGreaterThanOrEqual(33_000);
    expect((await stat(home)).mode & 0o777).toBe(0o700);

    const key = sshKey();
    const who = { user: 'app_rw_plain', password: 'Pa55wordOfTheApp', database: 'plain' };
    const verifiers = [formatVerifier(await makeVerifier(who.password))];
    const owner = { kind: 'app' as const, label: 'x', database: who.database, roles: [who.user], validUntil: null };
    await engine.applyAccess('ordinary', {
      revision: 1,
      databases: [{ name: who.database, owner: who.user }],
      roles: [{ name: who.user, database: who.database, verifiers, validUntil: null }],
      tunnelUsers: [{ ...owner, username: 'plain-user', publicKeys: [key.public] }],
    });
    const tunnel = await openTunnel('ordinary', gateway!, 'plain-user', key.private);
    const rows = await queryThrough(tunnel, await engine.caCertificate(), who, 'select current_user::text as name');
    expect(rows).toEqual([{ name: who.user }]);
    tunnel.close();
  },
  GENEROUS,
);

test.skipIf(closed)(
  `every process of it belongs to that user, and a destroy leaves nothing${NEEDS}`,
  async () => {
    const { servers, gateways } = await processesOf(home, 'ordinary');
    for (const { pid } of [...servers, ...gateways])
      expect(await readFile(`/proc/${pid}/status`, 'utf8')).toMatch(
        new RegExp(`^Uid:\\t${USER?.uid ?? process.getuid!()}\\t`, 'm'),
      );
    expect([servers.length, gateways.length]).toEqual([1, 1]);
    await keeper.engine.destroyCluster('ordinary');
    expect(await tracesOf(home, 'ordinary')).toEqual([]);
  },
  GENEROUS,
);
