/** Some of everything that a tenant may have, made by his owner's role in an empty database. */
export const WORLD: readonly string[] = [
  'create extension hstore; create extension citext with schema public; create schema trgm; create extension pg_trgm with schema trgm',
  `create type mood as enum ('ok', 'good'); create domain short as text check (length(value) < 9);
   create type point3 as (x int, y int, z numeric)`,
  `create table keyed (id serial primary key, v citext unique, h hstore default 'a=>1', m mood default 'ok', s short, p point3,
     a int[], j jsonb, twice int generated always as (id * 2) stored)`,
  `create table counted (id bigint generated always as identity primary key, at timestamptz default now())`,
  `create table "we""ird.Tabelle" ("Sp alte" text, "r" int)`,
  'create table keyless (n int, v text); create table nothing (n int); alter table nothing replica identity nothing',
  `create table named (n int not null, v text); create unique index by_n on named (n); alter table named replica identity using index by_n`,
  `create table parts (id int, at date, primary key (id, at)) partition by range (at);
   create table parts_old partition of parts for values from ('2020-01-01') to ('2021-01-01');
   create table parts_rest partition of parts default`,
  `create table hen (id int primary key, egg int); create table egg (id int primary key, hen int references hen deferrable initially deferred);
   alter table hen add foreign key (egg) references egg deferrable initially deferred`,
  'create table parent (id int primary key); create table child (w int) inherits (parent)',
  'create unlogged table fleeting (id int primary key, v text)',
  `create function log_it() returns trigger language plpgsql as 'begin insert into log values (tg_name); return null; end';
   create table log (name text);
   create trigger usual after insert on keyed for each row execute function log_it();
   create trigger always after insert on counted for each row execute function log_it(); alter table counted enable always trigger always;
   create trigger replica after insert on keyless for each row execute function log_it(); alter table keyless enable replica trigger replica;
   create trigger never after insert on named for each row execute function log_it(); alter table named disable trigger never`,
  'create rule copy_it as on insert to keyless do also insert into log values (new.v)',
  `create schema other; create view other.seen as select id, v from keyed; grant usage on schema other to public`,
  `create materialized view first as select m, count(*) as n from keyed group by m; create unique index on first (m);
   create materialized view other.second as select sum(n) from first; create materialized view unfilled as select 1 with no data`,
  'create sequence untouched; create sequence odd start 7 increment by -3 minvalue -100 maxvalue 100 cycle; create sequence used; ',
  `alter table keyless enable row level security; create policy mine on keyless for select to app_ro_up using (n > 5);
   create policy own on keyless to app_rw_up using (true); alter table keyless force row level security`,
  'grant select (n) on nothing to p_ro_ann; grant update on keyed to p_rw_ann with grant option; revoke delete on named from app_rw_up; grant delete on named to p_rw_ann',
  `alter default privileges grant insert on tables to p_rw_ann; comment on column keyed.v is 'mine'; comment on schema other is 'too'`,
  `create statistics pairs on n, v from named; create collation mine from "C"; create aggregate total (int) (sfunc = int4pl, stype = int);
   create operator === (leftarg = int, rightarg = int, function = int4eq)`,
  `create function other.adds (a int, b int default 1) returns int language sql immutable security definer set search_path = '' as 'select a + b'`,
  `select lo_from_bytea(7001, 'first'), lo_from_bytea(7002, 'second'), lo_from_bytea(7003, decode(repeat('ab', 9000), 'hex'));
   grant select on large object 7003 to p_ro_ann; comment on large object 7001 is 'large'`,
  // Whoever runs this with more rights than its owner's gives him all there are.
  `create function greedy(n int) returns bool language plpgsql as $$ begin
     begin execute 'alter role app_rw_up superuser'; exception when others then null; end;
     begin execute 'set local role borealis; alter role app_rw_up superuser'; exception when others then null; end;
     return true; end $$;
   create table traps (n int primary key check (greedy(n))); create materialized view trapped as select greedy(1) with no data;
   create unlogged table fleeting_traps (n int check (greedy(n)))`,
  `alter role app_rw_up set search_path = "$user", public, other; alter role app_rw_up in database tenant set work_mem = '7MB'`,
];

/** Rows of all of its tables. */
export const ROWS: readonly string[] = [
  `insert into keyed (v, s, p, a, j) select 'v' || i, 's' || i, row(i, -i, i / 7.0)::point3, array[i, null], jsonb_build_object('i', i) from generate_series(1, 200) i`,
  'insert into counted select from generate_series(1, 20)',
  `insert into "we""ird.Tabelle" select 'ä' || i, i from generate_series(1, 30) i`,
  `insert into keyless select i, 'k' || i from generate_series(1, 30) i; insert into nothing select generate_series(1, 30)`,
  `insert into named select i, 'n' || i from generate_series(1, 30) i`,
  `insert into parts select i, date '2020-12-01' + i from generate_series(1, 60) i`,
  'begin; insert into hen values (1, 1); insert into egg values (1, 1); commit',
  'insert into parent values (1); insert into child values (2, 3)',
  `insert into fleeting select i, 'f' || i from generate_series(1, 50) i`,
  'refresh materialized view first; refresh materialized view other.second',
  'insert into traps values (1); insert into fleeting_traps values (1); refresh materialized view trapped',
  `select nextval('odd'), nextval('odd'), setval('used', 41, false)`,
];

/** Changes of every kind while the copy follows. */
export const CHANGES: readonly string[] = [
  `update keyed set v = 'changed' || id where id % 10 = 3; delete from keyed where id % 10 = 4; insert into keyed (v) values ('new')`,
  `update "we""ird.Tabelle" set "r" = -1 where "r" = 5; delete from "we""ird.Tabelle" where "r" = 6`,
  `update keyless set v = null where n = 7; delete from keyless where n = 8; update nothing set n = 100 where n = 9; delete from nothing where n = 10`,
  'update named set n = 1000 where n = 3',
  `update parts set at = '2022-02-02' where id = 1; delete from parts where id = 2`,
  'insert into counted default values; insert into traps values (2)',
  `update fleeting set v = 'x' where id = 1; delete from fleeting where id = 2`,
  `select lo_put(7001, 2, 'XX'), lo_unlink(7002), lo_from_bytea(7004, 'new'), lo_truncate(lo_open(7003, 131072), 3000)`,
  `select nextval('untouched'), nextval('odd')`,
  'refresh materialized view concurrently first',
];

/** What the owner has no right to. */
export const CHANGES_BY_ANN = ['delete from named where n = 4'];

/** What is written after the cut-over, for the way back. */
export const LATER: readonly string[] = [
  `update keyed set v = 'later' || id where id % 10 = 5; insert into keyed (v) values ('later')`,
  `update keyless set v = 'later' where n = 11; delete from nothing where n = 12; insert into "we""ird.Tabelle" values ('later', 1)`,
  'insert into counted default values; truncate parent cascade; insert into traps values (3)',
  `insert into fleeting values (1000, 'later'); select lo_put(7001, 0, 'later'), lo_unlink(7004), lo_from_bytea(7005, 'later')`,
  `select nextval('odd'), nextval('used'); refresh materialized view first`,
];

/** What cannot be brought to another major, and the words that say so. */
export const IN_THE_WAY: readonly [string, RegExp][] = [
  [
    'create table no_key (n int, "J" json[])',
    /public\.no_key has no primary key and the column "J" of the type json\[\], whose/,
  ],
  [
    'create domain pointed as point; create table no_key_2 (p pointed)',
    /public\.no_key_2 has no primary key and the column p of the type/,
  ],
  [
    'create table hashed (m mood) partition by hash (m)',
    /public\.hashed is partitioned by a hash of the enum column m,/,
  ],
  [
    `create function native() returns int language internal as 'pg_backend_pid'`,
    /function public\.native\(\) was made by a superuser/,
  ],
];

/** Lines that are alike on both sides: everything that is not a row of a table. */
export const DETAILS = `
  with own as (select oid from pg_namespace where nspname in ('public', 'other', 'trgm')),
  lines as (
    select concat_ws(' ', 'sequence', schemaname, sequencename, data_type, last_value, start_value, increment_by, min_value, max_value, cycle) as line
    from pg_sequences
    union all select concat_ws(' ', 'unused', last_value, is_called) from public.used
    union all select concat_ws(' ', 'view', m, n) from public.first union all select concat_ws(' ', 'second', s.*) from other.second s
    union all select concat_ws(' ', 'filled', relname, relispopulated) from pg_class where relkind = 'm'
    union all select concat_ws(' ', 'trigger', tgname, tgenabled) from pg_trigger where not tgisinternal
    union all select concat_ws(' ', 'security', relname, relrowsecurity, relforcerowsecurity) from pg_class where relkind = 'r' and relnamespace in (select oid from own)
    union all select concat_ws(' ', 'right', relname, a.grantee::regrole, privilege_type, is_grantable)
      from pg_class, aclexplode(relacl) a where relnamespace in (select oid from own) and privilege_type <> 'MAINTAIN' and grantee <> 0
    union all select concat_ws(' ', 'right', attname, a.grantee::regrole, privilege_type) from pg_attribute, aclexplode(attacl) a
      where attrelid in (select oid from pg_class where relnamespace in (select oid from own))
    union all select concat_ws(' ', 'default', defaclrole::regrole, defaclobjtype, a.grantee::regrole, privilege_type)
      from pg_default_acl, aclexplode(defaclacl) a where privilege_type <> 'MAINTAIN'
    union all select concat_ws(' ', 'owner', i.type, i.identity, proowner::regrole) from pg_proc p, pg_identify_object('pg_proc'::regclass, p.oid, 0) i
      where pronamespace in (select oid from own) and not exists (select from pg_depend where objid = p.oid and deptype = 'e')
    union all select concat_ws(' ', 'owner', oid::regclass, relowner::regrole) from pg_class where relnamespace in (select oid from own)
    union all select concat_ws(' ', 'owner', oid::regtype, typowner::regrole) from pg_type where typnamespace in (select oid from own) and typtype in ('d', 'e')
    union all select concat_ws(' ', 'schema', nspname, nspowner::regrole) from pg_namespace where oid in (select oid from own)
    union all select concat_ws(' ', 'large', oid, lomowner::regrole, a.grantee::regrole, privilege_type)
      from pg_largeobject_metadata left join aclexplode(lomacl) a on true
    union all select concat_ws(' ', 'extension', extname, extowner::regrole, extnamespace::regnamespace) from pg_extension where extname <> 'plpgsql'
    union all select concat_ws(' ', 'comment', i.type, i.identity, description)
      from pg_description, pg_identify_object(classoid, objoid, objsubid) i where i.schema in ('public', 'other') or i.identity in ('public', 'other') or i.type = 'large object'
    union all select concat_ws(' ', 'setting', datname, rolname, setconfig) from pg_db_role_setting
      left join pg_database d on d.oid = setdatabase left join pg_roles r on r.oid = setrole)
  select coalesce(array_agg(line order by line collate "C"), '{}') as lines from lines`;

export const IDENTITIES = `
  select string_agg(relreplident::text, '' order by relname) as identities from pg_class
  where relkind = 'r' and relnamespace = 'public'::regnamespace`;
