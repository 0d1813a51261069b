import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  beginWayBack,
  carryOver,
  carrySettings,
  connect,
  copySchema,
  differences,
  dropAllNotes,
  dropSlots,
  dropSubscriptions,
  endWayBack,
  ensureSlot,
  findNoSlots,
  findNotCarried,
  guardSchema,
  hasWayBack,
  openWayBack,
  prepareCarryOver,
  prepareSource,
  prepareWayBack,
  type ServerSpec,
  subscribe,
  undoSource,
  unguardSchema,
  writeSubscriptionPassword,
} from '../src/index.js';
import { addNotes, readNotes } from '../src/major/notes.js';
import { clientTools } from './client-tools.js';
import { contentsOf } from './major/contents.js';
import { copyAll, follow, OWNER, type Pair, run, startPair } from './major/upgrade.js';
import { CHANGES, CHANGES_BY_ANN, DETAILS, IDENTITIES, IN_THE_WAY, LATER, ROWS, WORLD } from './major/world.js';
import { eventually } from './support.js';

// The default suite has one pair, the full one all that the product offers, and a long way.
const PAIRS =
  process.env.BOREALIS_TEST === 'full'
    ? [
        ['13', '14'],
        ['14', '15'],
        ['15', '16'],
        ['16', '17'],
        ['17', '18'],
        ['13', '18'],
      ]
    : [['15', '16']];

const BORN_WITH = 'dddddddddinddddd';
const DATABASES = ['tenant'];

describe.each(PAIRS)('a copy of PostgreSQL %s in %s', async (from, to) => {
  const tools = await clientTools(to!);
  const needed = `(needs pg_dump ${to})`;
  const copy = () => ({ tools: tools!, signal: new AbortController().signal });
  let pair: Pair;
  let old: ServerSpec;
  let next: ServerSpec;

  beforeAll(async () => {
    if (!tools) return;
    pair = await startPair(from!, to!);
    [old, next] = [pair.old.spec, pair.next.spec];
    await run(old, [...WORLD, ...ROWS], OWNER);
  });
  afterAll(() => pair?.remove());

  it.skipIf(!tools)(`is not begun where something is in its way ${needed}`, async () => {
    expect(await findNotCarried(old, 'tenant')).toEqual([]);
    await run(
      old,
      IN_THE_WAY.map(([statement]) => statement),
    );
    const found = await findNotCarried(old, 'tenant');
    expect(found).toHaveLength(IN_THE_WAY.length);
    for (const [, sentence] of IN_THE_WAY) expect(found.filter((one) => sentence.test(one))).toHaveLength(1);
    await run(old, ['drop table no_key, no_key_2, hashed; drop function native; drop domain pointed']);
  });

  it.skipIf(!tools)(`is not begun by a server that could not feed all databases ${needed}`, async () => {
    expect(await findNoSlots(old, 8)).toBeNull();
    expect(await findNoSlots(old, 9)).toMatch(/takes 11 replication slots.* has 10 free/);
  });

  it.skipIf(!tools)(`takes notes of many databases at once ${needed}`, async () => {
    const names = Array.from({ length: 8 }, (_, n) => `tenant${n}`);
    const notes = new Map([['public.t', 'default']]);
    await Promise.all(names.map((name) => addNotes(next, name, 'identity', notes)));
    for (const name of names) expect(await readNotes(next, name, 'identity')).toEqual(notes);
    await dropAllNotes(next);
  });

  const loses = Number(from) < 16 && Number(to) >= 16;
  it.skipIf(!tools || !loses)(`says what the next major does not take, and begins anew then ${needed}`, async () => {
    await run(
      old,
      [`create function gone() returns int language sql set force_parallel_mode = on as 'select 1'`],
      OWNER,
    );
    expect(await copySchema(old, next, 'tenant', copy())).toEqual([
      expect.stringMatching(/^CREATE FUNCTION public\.gone\(\).*: unrecognized configuration parameter/),
    ]);
    await run(old, ['drop function gone'], OWNER);
  });

  it.skipIf(!tools)(`leaves no trace when it is given up ${needed}`, async () => {
    await eventually(() => guardSchema(old, DATABASES));
    await prepareSource(old, DATABASES);
    await ensureSlot(old, 'tenant');
    expect(await one(old, IDENTITIES)).not.toEqual({ identities: BORN_WITH });
    await expect(run(old, ['create table more (n int)'], OWNER)).rejects.toThrow(/upgrade of this database is running/);
    await dropSubscriptions(next, DATABASES);
    await dropSlots(old, DATABASES);
    await undoSource(old, DATABASES);
    await unguardSchema(old, DATABASES);
    expect(await one(old, TRACES)).toEqual({ slots: '0', publications: '0', triggers: '0' });
    expect(await one(old, IDENTITIES)).toEqual({ identities: BORN_WITH });
  });

  it.skipIf(!tools)(`has everything that the first had when it takes over ${needed}`, async () => {
    await copyAll(pair, tools!);
    await prepareWayBack(next, DATABASES);
    await prepareCarryOver(old, next, 'tenant');
    await run(old, CHANGES, OWNER);
    await run(old, CHANGES_BY_ANN, 'p_rw_ann');
    await follow(old, next);
    await carrySettings(old, next);
    await carryOver(old, next, 'tenant', { viewSeconds: 60 });
    expect(differences(await contentsOf(old), await contentsOf(next))).toEqual([]);
    expect(await one(next, DETAILS)).toEqual(await one(old, DETAILS));
  });

  it.skipIf(!tools)(`gives back what was written since when the first takes over again ${needed}`, async () => {
    await beginWayBack(next, DATABASES);
    await dropSubscriptions(next, DATABASES);
    await dropSlots(old, DATABASES);
    await run(next, LATER, OWNER);
    await writeSubscriptionPassword(next, pair.passwordFile, old.os);
    await openWayBack(old, 'tenant');
    await subscribe(next, old, 'tenant', { passwordFile: pair.passwordFile, copyRows: false });
    await run(
      next,
      [
        `insert into keyed (v) values ('latest'); refresh materialized view first; refresh materialized view other.second`,
      ],
      OWNER,
    );
    expect(await hasWayBack(next, 'tenant')).toBe(true);
    await follow(next, old);
    await prepareCarryOver(next, old, 'tenant');
    await carrySettings(next, old);
    await carryOver(next, old, 'tenant', { viewSeconds: 60 });
    expect(differences(await contentsOf(next), await contentsOf(old))).toEqual([]);
    expect(await one(old, DETAILS)).toEqual(await one(next, DETAILS));
    await run(next, ['alter table keyed add later int'], OWNER);
    expect(await hasWayBack(next, 'tenant')).toBe(false);
    await dropSubscriptions(old, DATABASES);
    await endWayBack(next, DATABASES);
  });

  it.skipIf(!tools)(`leaves both as if they had never had another ${needed}`, async () => {
    for (const server of [old, next]) {
      await undoSource(server, DATABASES);
      await unguardSchema(server, DATABASES);
      await dropAllNotes(server);
      expect(await one(server, TRACES)).toEqual({ slots: '0', publications: '0', triggers: '0' });
      expect(await one(server, IDENTITIES)).toEqual({ identities: BORN_WITH });
      expect(await one(server, `select rolsuper from pg_roles where rolname = '${OWNER}'`)).toEqual({
        rolsuper: false,
      });
    }
    // Whatever is noted of it or not: what is in use is never emptied.
    await expect(copySchema(old, next, 'tenant', copy())).rejects.toThrow(/is in use/);
  });
});

const TRACES = `
  select (select count(*) from pg_replication_slots) as slots, (select count(*) from pg_publication) as publications,
    (select count(*) from pg_event_trigger where evtname ~ 'upgrade') as triggers`;

async function one(spec: ServerSpec, query: string): Promise<unknown> {
  const client = await connect(spec, 'tenant');
  try {
    return (await client.query(query)).rows[0];
  } finally {
    await client.end();
  }
}
