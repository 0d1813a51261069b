import type pg from 'pg';
import { inTransaction, runPlanned } from '../access/sql.js';
import type { ServerSpec } from '../server/spec.js';
import { readNotes, setNotes } from './notes.js';

const SINCE = 'since';
/** Two KiB each. */
const PAGES_AT_ONCE = 1000;

interface LargeObject {
  oid: string;
  pages: string;
  /** Its own pages and their numbers, by which it can be told from a longer or shorter one. */
  numbers: string;
  changed: boolean;
}

/**
 * Makes the large objects of `to` what they are in `from`, with owners, rights and comments. Repeated, it moves only those that were changed since:
 * what is compared of the rest is how many pages they have.
 */
export async function carryLargeObjects(
  from: pg.Client,
  to: pg.Client,
  target: ServerSpec,
  database: string,
): Promise<void> {
  const since = (await readNotes(target, database, 'large-objects')).get(SINCE) ?? null;
  await from.query('begin isolation level repeatable read read only');
  try {
    const now = await currentMark(from);
    const wanted = await readObjects(from, since);
    const found = await readObjects(to, null);
    const gone = [...found.keys()].filter((oid) => !wanted.has(oid));
    await to.query('select lo_unlink(oid) from unnest($1::oid[]) as oid', [gone]);
    const behind = [...wanted.values()].filter((object) => isBehind(object, found.get(object.oid)));
    for (const { oid } of behind) await copyObject(from, to, oid, found.has(oid));
    await carryProperties(from, to);
    await setNotes(target, database, 'large-objects', new Map([[SINCE, now]]));
  } finally {
    await from.query('rollback').catch(() => {});
  }
}

const isBehind = (object: LargeObject, there: LargeObject | undefined) =>
  there === undefined || object.changed || object.pages !== there.pages || object.numbers !== there.numbers;

/** The oldest transaction that is not over: what is not seen now has this number or a higher one. */
async function currentMark(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ mark: string }>(
    `select (txid_snapshot_xmin(txid_current_snapshot()) % (2 ^ 32)::bigint)::text as mark`,
  );
  return rows[0]!.mark;
}

async function readObjects(client: pg.Client, since: string | null): Promise<Map<string, LargeObject>> {
  const { rows } = await client.query<LargeObject>(
    `select m.oid::text as oid, count(loid)::text as pages, coalesce(sum(pageno), 0)::text as numbers,
       coalesce(bool_or($1::text is null or age(p.xmin) <= age($1::xid)), false) as changed
     from pg_largeobject_metadata m left join pg_largeobject p on loid = m.oid group by m.oid`,
    [since],
  );
  return new Map(rows.map((object) => [object.oid, object]));
}

/** By pages, holes included: nothing that a tenant has defined is called, and nothing is held in memory as a whole. */
async function copyObject(from: pg.Client, to: pg.Client, oid: string, there: boolean): Promise<void> {
  await inTransaction(to, async () => {
    if (!there) await to.query('select lo_create($1::oid)', [oid]);
    await to.query('delete from pg_largeobject where loid = $1::oid', [oid]);
    for (let last = -1; ; ) {
      const { rows } = await from.query<{ pageno: number; data: Buffer }>(
        'select pageno, data from pg_largeobject where loid = $1::oid and pageno > $2 order by pageno limit $3',
        [oid, last, PAGES_AT_ONCE],
      );
      if (rows.length === 0) return;
      await to.query('insert into pg_largeobject select $1::oid, * from unnest($2::int[], $3::bytea[])', [
        oid,
        rows.map(({ pageno }) => pageno),
        rows.map(({ data }) => data),
      ]);
      last = rows.at(-1)!.pageno;
    }
  });
}

async function carryProperties(from: pg.Client, to: pg.Client): Promise<void> {
  for (const kind of [OWNERS, RIGHTS, COMMENTS]) {
    const wanted = await from.query<{ give: string; take: string | null }>(kind);
    const found = await to.query<{ give: string; take: string | null }>(kind);
    const here = new Set(wanted.rows.map(({ give }) => give));
    const there = new Set(found.rows.map(({ give }) => give));
    const excess = found.rows.flatMap(({ give, take }) => (take !== null && !here.has(give) ? [take] : []));
    const missing = [...here].filter((give) => !there.has(give));
    await runPlanned(to, 'select unnest($1::text[]) as statement', [[...excess, ...missing]]);
  }
}

const OWNERS = `
  select format('alter large object %s owner to %s', m.oid, case when rolsuper then 'current_user' else quote_ident(rolname) end) as give,
    null as take
  from pg_largeobject_metadata m join pg_roles r on r.oid = lomowner`;

const RIGHTS = `
  select format('grant %s on large object %s to %s%s', privilege_type, oid, holder, case when is_grantable then ' with grant option' end) as give,
    format('revoke %s on large object %s from %s cascade', privilege_type, oid, holder) as take
  from (
    select m.oid, a.*, case grantee when 0 then 'public' else quote_ident(rolname) end as holder, rolsuper
    from pg_largeobject_metadata m, aclexplode(coalesce(lomacl, acldefault('L', lomowner))) a left join pg_roles r on r.oid = grantee) held
  where holder is not null and not coalesce(rolsuper, false)`;

const COMMENTS = `
  select format('comment on large object %s is %L', objoid, description) as give, format('comment on large object %s is null', objoid) as take
  from pg_description where classoid = 'pg_largeobject'::regclass`;
