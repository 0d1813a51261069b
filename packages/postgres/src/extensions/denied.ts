/** Extensions that no tenant gets, and why: the reason completes the sentence "It is not offered: …". */
export interface Denial {
  /** Names of extensions; `*` stands for any characters. */
  names: readonly string[];
  reason: string;
}

/** The first entry that fits counts. Those that PostgreSQL itself comes with are all here; the rest are common packages of systems. */
export const DENIED: readonly Denial[] = [
  {
    names: ['adminpack', 'file_fdw', 'orafce', 'pgfincore', 'pgnodemx', 'pg_snakeoil'],
    reason: "it reads or writes the server's own files",
  },
  {
    names: ['dblink', '*_fdw', 'http', 'mimeo', 'multicorn', 'pg_curl', 'pg_net', 'pgmemcache', 'plproxy'],
    reason: "it reaches other hosts from within the server's network",
  },
  {
    names: ['pl*u', '*_pl*u', 'pljava', 'plr', 'plsh', 'pgagent'],
    reason: "what it runs has all rights of the server's operating-system user",
  },
  {
    names: ['plperl', '*_plperl', 'pltcl'],
    reason: 'its functions cannot be interrupted, so that nothing could end a session in an endless loop',
  },
  {
    names: [
      ...['amcheck', 'pageinspect', 'pg_buffercache', 'pg_freespacemap', 'pg_logicalinspect', 'pg_visibility'],
      ...['pg_walinspect', 'pgstattuple', 'pg_dirtyread', 'pldbgapi'],
    ],
    reason: 'its functions are for superusers, and no role of a tenant is one',
  },
  {
    names: ['pg_surgery', 'pg_repack', 'prioritize', 'set_user'],
    reason: "it goes round PostgreSQL's own rules, and can damage data or other sessions",
  },
  {
    names: [
      ...['pg_cron', 'pg_background', 'pg_task', 'pglogical*', 'pgl_ddl_deploy', 'pgautofailover', 'pgpool_*'],
      ...['repmgr', 'slony1_funcs', 'londiste', 'pgq_node', 'bgw_replstatus', 'pg_checksums', 'citus*'],
    ],
    reason: 'it works on the whole server and not in one database',
  },
];

/** Why an extension is never offered; null when nothing speaks against it. */
export function denialOf(name: string): string | null {
  return DENIED.find((denial) => new RegExp(patternOf(denial)).test(name))?.reason ?? null;
}

/** A regular expression that JavaScript and PostgreSQL read alike. */
export function patternOf({ names }: Denial): string {
  return `^(${names.map((name) => name.replaceAll('*', '.*')).join('|')})$`;
}

/** Installed they would only fail, unless the server loads them when it starts. */
export const NEED_PRELOAD: Denial = {
  names: [
    ...['pg_stat_statements', 'pg_stat_kcache', 'pg_stat_monitor', 'pg_qualstats', 'pg_wait_sampling', 'pg_show_plans'],
    ...['pgaudit', 'pgauditlogtofile', 'timescaledb', 'pg_squeeze', 'pg_tle', 'credcheck', 'login_hook'],
  ],
  reason: 'the server has to load it when it starts, and this one does not',
};
