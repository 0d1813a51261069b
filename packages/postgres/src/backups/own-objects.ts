/** SQL: of the schema in `nspname`, that it is none of PostgreSQL's own. */
export const OWN = `nspname !~ '^pg_' and nspname <> 'information_schema'`;

/** SQL: that the object with this expression for its OID is no part of an extension. */
export const notOfExtension = (catalogue: string, oid: string) =>
  `not exists (select from pg_depend where classid = '${catalogue}'::regclass and objid = ${oid} and deptype = 'e')`;
