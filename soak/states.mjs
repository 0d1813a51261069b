const rowOf = async (client, query) => (await client.query(query)).rows[0];

/**
 * Kinds of state of a session: how it is made, how it is looked at without changing it, and what is to be seen then. Sessions of all kinds outlive a
 * planned replacement of their server. A copy's number keeps what sessions take from each other apart.
 */
export const STATES = [
  {
    name: 'nothing',
    survivesCrash: true,
    make: (client) => client.query('select 1'),
    look: (client) => rowOf(client, 'select 1 as one'),
    expected: () => ({ one: 1 }),
  },
  {
    name: 'settings',
    survivesCrash: true,
    make: (client) =>
      client.query(`set timezone = 'Asia/Tokyo'; set work_mem = '5MB'; set search_path = "$user", pg_catalog`),
    look: (client) =>
      rowOf(
        client,
        `select current_setting('TimeZone') as zone, current_setting('work_mem') as memory,
        current_setting('search_path') as path`,
      ),
    expected: () => ({ zone: 'Asia/Tokyo', memory: '5MB', path: '"$user", pg_catalog' }),
  },
  {
    name: 'a custom setting',
    survivesCrash: true,
    make: (client, copy) => client.query(`set app.tenant_id = 'tenant ${copy}'`),
    look: (client) => rowOf(client, `select current_setting('app.tenant_id', true) as tenant`),
    expected: (copy) => ({ tenant: `tenant ${copy}` }),
  },
  {
    name: 'a role',
    survivesCrash: true,
    make: (client) => client.query('set role app_rw_soak'),
    look: (client) => rowOf(client, `select current_setting('role') as role`),
    expected: () => ({ role: 'app_rw_soak' }),
  },
  {
    name: 'another encoding',
    survivesCrash: true,
    make: (client) => client.query(`set client_encoding = 'LATIN1'`),
    look: (client) => rowOf(client, `select current_setting('client_encoding') as encoding`),
    expected: () => ({ encoding: 'LATIN1' }),
  },
  {
    name: 'a prepared statement',
    survivesCrash: true,
    make: (client) => client.query({ name: 'sum', text: 'select $1::int + $2::int as sum', values: [1, 2] }),
    // The driver does not send its text again.
    look: (client) => rowOf(client, { name: 'sum', text: 'select $1::int + $2::int as sum', values: [40, 2] }),
    expected: () => ({ sum: 42 }),
  },
  {
    name: 'a statement of PREPARE',
    survivesCrash: true,
    make: (client) => client.query('prepare double (int) as select 2 * $1 as double'),
    look: (client) => rowOf(client, 'execute double (21)'),
    expected: () => ({ double: 42 }),
  },
  {
    name: 'lastval()',
    survivesCrash: true,
    async make(client) {
      client.last = (await rowOf(client, `select nextval('numbers') as number`)).number;
    },
    look: async (client) => ({ isSame: (await rowOf(client, 'select lastval() as number')).number === client.last }),
    expected: () => ({ isSame: true }),
  },
  {
    name: 'LISTEN',
    survivesCrash: false,
    listens: true,
    make: (client) => client.query('listen soak'),
    look: (client) => rowOf(client, 'select array_agg(c) as channels from pg_listening_channels() c'),
    expected: () => ({ channels: ['soak'] }),
  },
  {
    name: 'advisory locks',
    survivesCrash: false,
    async make(client, copy) {
      for (let count = 0; count < 2; count++) await client.query('select pg_advisory_lock(4711, $1)', [copy]);
      await client.query('select pg_advisory_lock_shared(4712)');
    },
    /** Unlocks until there is nothing to unlock, and locks again. */
    async look(client, copy) {
      const unlock = async () => (await rowOf(client, `select pg_advisory_unlock(4711, ${copy}) as had`)).had;
      let count = 0;
      while (await unlock()) count++;
      const { had: shared } = await rowOf(client, 'select pg_advisory_unlock_shared(4712) as had');
      await this.make(client, copy);
      return { count, shared };
    },
    expected: () => ({ count: 2, shared: true }),
  },
];
