import { gatewayConfig } from '@borealis/contract';
import { describe, expect, test } from 'vitest';
import { Access } from '../../src/postgres/login/access.js';
import { FailureLimit } from '../../src/postgres/login/failure-limit.js';
import { Refused, refusals } from '../../src/postgres/refusals.js';
import { CustomSettings } from '../../src/postgres/session/custom-settings.js';
import { Identifiers } from '../../src/postgres/session/identifiers.js';
import { Teardowns } from '../../src/postgres/session/teardowns.js';
import { UnnamedStatement } from '../../src/postgres/session/unnamed-statement.js';
import { BodyCapture } from '../../src/postgres/wire/body-capture.js';
import { errorFields } from '../../src/postgres/wire/error-response.js';
import { int16, int32 } from '../../src/postgres/wire/messages.js';

describe('the failure limit', () => {
  test('counts per owner and name, and forgets after the pause or a success', () => {
    let now = 0;
    const limit = new FailureLimit(
      () => ({ failures: 2, pauseSeconds: 10 }),
      () => now,
    );
    const blocked = () => [limit.blocked('a', 'x'), limit.blocked('a', 'y'), limit.blocked('b', 'x')];
    limit.failed('a', 'x');
    limit.succeeded('a', 'x');
    limit.failed('a', 'x');
    expect(blocked()).toEqual([false, false, false]);
    limit.failed('a', 'x');
    expect(blocked()).toEqual([true, false, false]);
    now = 9_999;
    expect(limit.blocked('a', 'x')).toBe(true);
    now = 10_000;
    expect(limit.blocked('a', 'x')).toBe(false);
  });

  test('counts a thousand names each on its own, and those beyond together', () => {
    const limit = new FailureLimit(() => ({ failures: 1, pauseSeconds: 10 }));
    const names = Array.from({ length: 1024 }, (_, i) => `name-${i}`);
    for (const [i, name] of names.entries()) {
      expect(limit.blocked('a', name)).toBe(false);
      limit.failed('a', name);
      expect(limit.blocked('a', name), String(i)).toBe(true);
    }
    limit.failed('a', 'one more');
    expect(limit.blocked('a', 'one more')).toBe(true);
    expect(limit.blocked('b', 'one more')).toBe(false);
  });
});

describe('identifiers', () => {
  const known = (see: (identifiers: Identifiers) => void) => {
    const identifiers = new Identifiers();
    see(identifiers);
    return identifiers.known;
  };
  const columns = (...each: [table: number, attribute: number, type: number][]) =>
    Buffer.concat([
      int16(each.length),
      ...each.flatMap(([table, attribute, type], i) => [
        Buffer.from(`name ${i}\0`),
        ...[int32(table), int16(attribute), int32(type), int16(-1), int32(-1), int16(0)],
      ]),
    ]);
  const types = (...oids: number[]) => Buffer.concat([int16(oids.length), ...oids.map(int32)]);

  test.each<[string, Parameters<typeof known>[0], boolean]>([
    ['columns of types of PostgreSQL', (i) => i.row(columns([20_000, 1, 23], [0, 0, 25], [0, 0, 1007])), false],
    ['no column', (i) => i.row(columns()), false],
    ['a last column of another type', (i) => i.row(columns([0, 0, 23], [0, 0, 16_384])), true],
    ['a type that initdb has made', (i) => i.row(columns([0, 0, 12_345])), true],
    ['a number that is data', (i) => i.row(columns([20_000, 3, 26])), false],
    ['a number of a system column', (i) => i.row(columns([20_000, -6, 26])), true],
    ['a number of the catalogs', (i) => i.row(columns([1247, 1, 26])), true],
    ['a number that was computed', (i) => i.row(columns([0, 0, 2206])), true],
    ['a row as a value', (i) => i.row(columns([0, 0, 2249])), true],
    ['parameters of types of PostgreSQL', (i) => i.parameters(types(23, 25)), false],
    ['a parameter of another type', (i) => i.parameters(types(23, 25, 70_000)), true],
    ['a number beyond 2^31', (i) => i.parameters(types(4_000_000_000)), true],
    ['a Parse without types', (i) => i.parse(Buffer.concat([Buffer.from('name\0SELECT $1\0'), types()])), false],
    [
      'a Parse with another type',
      (i) => i.parse(Buffer.concat([Buffer.from('\0SELECT $1\0'), types(0, 16_400)])),
      true,
    ],
    ['a Parse that is cut', (i) => i.parse(Buffer.from('name\0SELECT')), true],
    ['a call of a function of PostgreSQL', (i) => i.call(int32(1299)), false],
    ['a call of another function', (i) => i.call(int32(16_385)), true],
    ['a call that is cut', (i) => i.call(Buffer.of(0)), false],
    ['a copy of texts', (i) => i.copy(Buffer.from([0, 0, 1, 0, 0])), false],
    ['a copy in binary', (i) => i.copy(Buffer.from([1, 0, 1, 0, 1])), true],
  ])('%s', (_what, see, expected) => {
    expect(known(see)).toBe(expected);
  });
});

describe('custom settings', () => {
  const see = (...texts: string[]) => {
    const settings = new CustomSettings();
    for (const text of texts) settings.see(Buffer.from(`${text}\0`));
    return { names: [...settings.names], uncertain: settings.uncertain };
  };

  test.each([
    [`SET app.tenant_id = '7'`, ['app.tenant_id'], false],
    [`set local "App"."Tenant" to 7`, ['"App"."Tenant"'], false],
    [`SET SESSION app.x = 1; SET app.y TO 2`, ['app.x', 'app.y'], false],
    [`SELECT set_config('app.tenant_id', $1, false)`, ['app.tenant_id'], false],
    ['SELECT set_config($1, $2, false)', [], true],
    [`SELECT set_config('app.' || name, '1', false) FROM names`, [], true],
    [`DO $$BEGIN EXECUTE 'SET app.z = 1'; END$$`, ['app.z'], false],
    ['SET /* the tenant */ app.x = 1', ['app.x'], false],
    ['UPDATE users SET name = users.alias', [], false],
    [`SELECT 'a.b'`, [], false],
    ['SET work_mem = 1', [], false],
    [`SET größe.übung = 'x'`, ['größe.übung'], false],
  ])('%s: %j, uncertain %s', (text, names, uncertain) => {
    expect(see(text)).toEqual({ names, uncertain });
  });

  test.each([
    ['one long word', 'x'.repeat(64_000)],
    ['bytea in hex', '0a1f'.repeat(16_000)],
    ['quotes', '"a"'.repeat(21_000)],
    ['one open quote', `"${'x'.repeat(64_000)}`],
  ])(
    'looks at texts of %s in passing: a text that took seconds would stop every tunnel',
    (_what, long) => {
      // Each of these took 2 to 15 s when the cost grew with the square of the length; the test's time limit ends that.
      for (let i = 0; i < 20; i++) {
        expect(see(`SELECT set_config('app.x', '1', false) -- ${long}`).names).toContain('app.x');
      }
    },
    60_000,
  );

  test('finds names behind digits, among quotes and behind open ones', () => {
    expect(see(`SET /**/ 12app.x = 1`).names).toEqual(['app.x']);
    expect(see(`SELECT 'a 5" disk', set_config('app.x', '1', false), "b c" -- "d`).names).toEqual(['app.x']);
  });

  test('says so when there are more names than it keeps', () => {
    const texts = Array.from({ length: 501 }, (_, i) => `SET app.n${i} = 1`);
    expect(see(...texts.slice(1)).uncertain).toBe(false);
    expect(see(...texts).uncertain).toBe(true);
  });
});

describe('the unnamed statement', () => {
  const unnamed = (bytes: number) => Buffer.alloc(bytes);

  test('holds little of what a server that skips to the next Sync never answers', () => {
    const statement = new UnnamedStatement();
    for (let i = 0; i < 100; i++) statement.parsed(0, unnamed(60_000));
    expect(statement.pendingBytes).toBeLessThanOrEqual(256 * 1024);
    for (let i = 0; i < 100; i++) statement.complete();
    expect([statement.parse, statement.pendingBytes]).toEqual(['unknown', 0]);
    statement.parsed(1, unnamed(60_000));
    statement.ready(1, true);
    expect([statement.parse, statement.pendingBytes]).toEqual([null, 0]);
  });

  test('is unknown for good after more Parses at once than it follows', () => {
    const statement = new UnnamedStatement();
    for (let i = 0; i < 4096; i++) statement.parsed(0, null);
    statement.ready(0, true);
    expect(statement.parse).toBeNull();
    for (let i = 0; i < 4097; i++) statement.parsed(1, null);
    statement.ready(1, true);
    expect(statement.parse).toBe('unknown');
  });
});

test('a body that comes in single bytes is whole, and costs no more than its own size', () => {
  const bytes = Buffer.from(Array.from({ length: 64 * 1024 }, (_, i) => i % 251));
  const captures = Array.from({ length: 20 }, () => new BodyCapture(bytes.length));
  const { heapUsed } = process.memoryUsage();
  for (const capture of captures) {
    capture.begin(bytes.length);
    for (let i = 0; i < bytes.length - 1; i++) capture.take(bytes, i, i + 1);
  }
  // Kept as pieces they took some 150 MiB.
  expect(process.memoryUsage().heapUsed - heapUsed).toBeLessThan(50 * 1024 * 1024);
  const bodies = captures.map((capture) => capture.take(bytes, bytes.length - 1, bytes.length));
  expect(bodies.every((body) => body?.equals(bytes))).toBe(true);
});

describe('access', () => {
  const claim = { tunnelUser: 'a-app', role: 'app_rw_a', database: 'a' };
  const user = {
    username: 'a-app',
    kind: 'app',
    label: 'a',
    publicKeys: [],
    database: 'a',
    roles: ['app_rw_a'],
    validUntil: null,
  } as const;
  const verifier = (salt: string) => `SCRAM-SHA-256$4096:${salt}$${'A'.repeat(43)}=:${'A'.repeat(43)}=`;
  const access = (role: object, tunnelUser: object = {}) =>
    new Access({
      roles: [
        gatewayConfig.shape.roles.element.parse({
          name: 'app_rw_a',
          database: 'a',
          verifiers: [],
          validUntil: null,
          ...role,
        }),
      ],
      tunnelUsers: [{ ...user, roles: [...user.roles], publicKeys: [], ...tunnelUser }],
    });

  test('is what tunnel user and role agree on', () => {
    expect(access({}).allows(claim)).toBe(true);
    expect(access({ database: 'b' }).allows(claim)).toBe(false);
    expect(access({}, { database: 'b' }).allows(claim)).toBe(false);
    expect(access({}, { roles: [] }).allows(claim)).toBe(false);
    expect(access({}, { username: 'b-app' }).allows(claim)).toBe(false);
    expect(access({ name: 'app_rw_b' }).allows(claim)).toBe(false);
  });

  test('ends with its time', () => {
    const a = access({ validUntil: '2026-01-01T00:00:00Z' });
    expect([a.expired(claim, Date.UTC(2025, 11, 31)), a.expired(claim, Date.UTC(2026, 0, 1))]).toEqual([false, true]);
    expect(access({}).expired(claim)).toBe(false);
  });

  test('takes no verifier that it could not check, and never names one', () => {
    expect(() => access({ verifiers: ['md5abcdef'] })).toThrow(
      'a verifier of role "app_rw_a" is not a SCRAM-SHA-256 verifier',
    );
    expect(() => access({ verifiers: [verifier('AAAA'), verifier('BBBB')] })).toThrow(/must share salt and iterations/);
    expect(access({ verifiers: [verifier('AAAA'), verifier('AAAA')] }).verifiers(claim)).toHaveLength(2);
  });
});

describe('a refusal', () => {
  test('has a SQLSTATE of PostgreSQL’s form and one sentence, or none', () => {
    for (const { sqlstate, sentence } of Object.values(refusals)) {
      expect(sqlstate).toMatch(/^[0-9A-Z]{5}$/);
      if (sentence !== null) expect(sentence).toMatch(/^[a-zA-Z].*[^.]$/);
    }
  });

  test('repeats what a client said literally, and not for ever', () => {
    const fields = errorFields(new Refused('wrong_password', `$&"x`).answer!.subarray(5));
    expect(fields.get('M')).toBe('password authentication failed for user "$&"x"');
    expect(new Refused('wrong_password', 'x'.repeat(5000)).message.length).toBeLessThan(200);
    expect(new Refused('early_bytes').answer).toBeNull();
  });
});

test('teardowns run a few at a time, and all of them', async () => {
  const teardowns = new Teardowns();
  let [now, most, done] = [0, 0, 0];
  await new Promise<void>((resolve) => {
    for (let i = 0; i < 50; i++) {
      teardowns.add(async () => {
        most = Math.max(most, ++now);
        await new Promise((next) => setImmediate(next));
        now--;
        if (++done === 50) resolve();
      });
    }
  });
  expect(most).toBe(8);
});
