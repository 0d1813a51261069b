import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  connect,
  copySchema,
  differences,
  dropAllNotes,
  dropSlots,
  dropSubscriptions,
  type ServerSpec,
  undoSource,
  unguardSchema,
} from '../src/index.js';
import { clientTools } from './client-tools.js';
import { contentsOf } from './major/contents.js';
import { copyAll, follow, OWNER, type Pair, run, startPair } from './major/upgrade.js';
import { CHANGES, CHANGES_BY_ANN, ROWS, WORLD } from './major/world.js';

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

describe.each(PAIRS)('a copy of PostgreSQL %s in %s', async (from, to) => {
  const tools = await clientTools(to!);
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

  const loses = Number(from) < 16 && Number(to) >= 16;
  it.skipIf(!tools || !loses)(
    `says what the next major does not take, and begins anew then (needs pg_dump ${to})`,
    async () => {
      const copy = () => copySchema(old, next, 'tenant', { tools: tools!, signal: new AbortController().signal });
      await run(
        old,
        [`create function gone() returns int language sql set force_parallel_mode = on as 'select 1'`],
        OWNER,
      );
      expect(await copy()).toEqual([
        expect.stringMatching(/^CREATE FUNCTION public\.gone\(\).*: unrecognized configuration parameter/),
      ]);
      await run(old, ['drop function gone'], OWNER);
    },
  );

  it.skipIf(!tools)(`follows all changes of rows (needs pg_dump ${to})`, async () => {
    await copyAll(pair, tools!);
    await run(old, CHANGES, OWNER);
    await run(old, CHANGES_BY_ANN, 'p_rw_ann');
    await follow(old, next);
    const found = differences(await contentsOf(old), await contentsOf(next));
    expect(found.filter((sentence) => !/large objects|fleeting/.test(sentence))).toEqual([]);
  });

  it.skipIf(!tools)(`leaves no trace when it is given up (needs pg_dump ${to})`, async () => {
    await dropSubscriptions(next, ['tenant']);
    await dropSlots(old, ['tenant']);
    await undoSource(old, ['tenant']);
    await unguardSchema(old, ['tenant']);
    for (const server of [old, next]) {
      const client = await connect(server, 'tenant');
      const { rows } = await client.query('select rolsuper from pg_roles where rolname = $1', [OWNER]);
      await client.end();
      expect(rows).toEqual([{ rolsuper: false }]);
    }
    await dropAllNotes(next);
    // Whatever is noted of it or not: what is in use is never emptied.
    const copy = copySchema(old, next, 'tenant', { tools: tools!, signal: new AbortController().signal });
    await expect(copy).rejects.toThrow(/is in use/);
    const client = await connect(old, 'tenant');
    try {
      const { rows } = await client.query(TRACES);
      expect(rows[0]).toEqual({ slots: '0', publications: '0', triggers: '0', identities: 'dddddddddinddddd' });
    } finally {
      await client.end();
    }
  });
});

const TRACES = `
  select (select count(*) from pg_replication_slots) as slots, (select count(*) from pg_publication) as publications,
    (select count(*) from pg_event_trigger where evtname ~ 'upgrade') as triggers,
    (select string_agg(relreplident::text, '' order by relname) from pg_class
     where relkind = 'r' and relnamespace = 'public'::regnamespace) as identities`;
