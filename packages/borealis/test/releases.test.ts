import type { ReleaseOverview } from '@borealis/contract';
import { expect, test } from 'vitest';
import { readConfig } from '../src/config.js';
import { describeWindow, wantedWindow } from '../src/maintenance-window.js';
import { describeBuild } from '../src/postgres-build.js';
import { describeReleases } from '../src/releases-command.js';

const CLUSTER = { id: 'c1', tenancy: 'isolated', major: '16', version: '16.13', build: 'npm', rollout: null } as const;
const ROLLOUT = { version: '16.14', dueAt: '2026-11-24T03:00:00.000Z', error: null };

function overview(rollout: ReleaseOverview['clusters'][number]['rollout'], more: Partial<ReleaseOverview> = {}) {
  const releases = [{ major: '16', version: '16.14', system: null, cached: false, refused: [] }];
  const clusters = [{ ...CLUSTER, addons: [{ id: 'a1', name: 'my-db' }], rollout }];
  return describeReleases({ automatic: true, releases, clusters, ...more });
}

test('releases are told with what runs, what is planned, and what is refused', () => {
  const there = 'PostgreSQL 16: 16.14, not fetched yet\n\nmy-db: 16.13';
  expect(overview(null)).toBe(`${there}\n`);
  expect(overview({ ...ROLLOUT, state: 'done' })).toBe(`${there}\n`);
  const planned = { ...ROLLOUT, state: 'planned' } as const;
  expect(overview(planned)).toBe(`${there}, 16.14 is planned from 2026-11-24T03:00:00.000Z on\n`);
  expect(overview(planned, { automatic: false })).toBe(`${there}, 16.14 is there\n`);
  expect(overview({ ...ROLLOUT, state: 'running' })).toBe(`${there}, is being upgraded to 16.14\n`);
  expect(overview({ ...ROLLOUT, state: 'failed', error: 'It fails.' })).toBe(
    `${there}, was not upgraded to 16.14; It fails.\n`,
  );
  expect(overview({ ...ROLLOUT, state: 'held' })).toContain('stays there instead of 16.14');
  const refused = [{ version: '16.14', reason: 'It does not start.', at: '2026-11-23T03:00:00.000Z' }];
  expect(
    overview(null, { releases: [{ major: '16', version: '16.14', system: null, cached: true, refused }] }),
  ).toContain('PostgreSQL 16: 16.14\n  refused: It does not start. (since 2026-11-23T03:00:00.000Z)\n');
  const own = { ...CLUSTER, build: 'system' as const, addons: [] };
  const builds = [{ major: '16', version: '16.14', system: '16.13', cached: true, refused: [] }];
  expect(overview(null, { releases: builds, clusters: [own] })).toBe(
    'PostgreSQL 16: 16.14\n  of this system: 16.13\n\nno add-on: 16.13 of this system\n',
  );
  const shared = { ...CLUSTER, tenancy: 'shared' as const, version: null, addons: [] };
  expect(overview(null, { clusters: [shared] })).toContain('no add-on (shared): 16, not running\n');
});

test('a window is an hour of any day or of one', () => {
  expect(wantedWindow({})).toBeUndefined();
  expect(wantedWindow({ hour: '3' })).toEqual({ day: null, hour: 3 });
  expect(wantedWindow({ hour: '23', day: 'any' })).toEqual({ day: null, hour: 23 });
  expect(wantedWindow({ hour: '0', day: 'Sunday' })).toEqual({ day: 0, hour: 0 });
  expect(() => wantedWindow({ day: 'any' })).toThrow('hour');
  for (const hour of ['24', '-1', 'noon', '']) expect(() => wantedWindow({ day: 'any', hour })).toThrow('hour');
  expect(() => wantedWindow({ hour: '3', day: 'mon' })).toThrow('"mon" is no day of the week');
});

test('a window is told in a sentence', () => {
  const next = { begin: '2026-11-24T03:00:00.000Z', end: '2026-11-24T04:00:00.000Z' };
  const told = (chosen: Parameters<typeof describeWindow>[1]['chosen']) => describeWindow('my-db', { chosen, next });
  expect(told({ day: 2, hour: 3 })).toBe(
    'New minor releases of PostgreSQL come to my-db on Tuesdays from 3:00 UTC; ' +
      'next from 2026-11-24T03:00:00.000Z to 2026-11-24T04:00:00.000Z.\n',
  );
  expect(told({ day: null, hour: 3 })).toContain(' any day from 3:00 UTC;');
  expect(told(null)).toContain(' any night, at a time of its own;');
});

test('the roll-out of minor releases can be switched off, and its night chosen', () => {
  expect(readConfig({}, '/').maintenance).toEqual({ automatic: true, night: { begin: 1, hours: 4 } });
  expect(readConfig({ BOREALIS_MINOR_UPGRADES: 'off', BOREALIS_MAINTENANCE_HOURS: '22-3' }, '/').maintenance).toEqual({
    automatic: false,
    night: { begin: 22, hours: 5 },
  });
  expect(() => readConfig({ BOREALIS_MINOR_UPGRADES: 'yes' }, '/')).toThrow('must be auto or off');
});

test('the build of PostgreSQL is npm or the system, and what the system has is said', () => {
  expect(readConfig({}, '/').postgresBuild).toBe('npm');
  expect(readConfig({ BOREALIS_POSTGRES_BUILD: 'system' }, '/').postgresBuild).toBe('system');
  expect(() => readConfig({ BOREALIS_POSTGRES_BUILD: 'apt' }, '/')).toThrow('must be npm or system');
  expect(describeBuild(['15.18'])).toContain("this system's PostgreSQL 15.18, those of others by npm's");
  expect(describeBuild([])).toContain('no PostgreSQL in /usr/lib/postgresql');
});
