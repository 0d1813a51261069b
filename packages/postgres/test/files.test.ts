import { mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { settingsFor } from '../src/index.js';
import { hostBasedAccess, userMaps } from '../src/server/access-files.js';
import { replaceFile } from '../src/server/configuration.js';
import { lastLines, trimLog } from '../src/server/log-file.js';
import { listProcesses, parsePsLine } from '../src/server/processes.js';
import { serverSettings } from '../src/server/settings.js';
import { checkSpec, type ServerSpec } from '../src/server/spec.js';

function specOf(major: string, access: ServerSpec['access']): ServerSpec {
  return {
    release: { major, version: `${major}.1`, family: 'npm', root: '/r', binary: (name) => `/r/bin/${name}` },
    dataDirectory: '/d/data',
    socketDirectory: '/d/s',
    port: 5432,
    superuser: { name: 'borealis', password: 'x' },
    os: { name: 'someone', uid: process.getuid!() || 4000, gid: 4000 },
    logFile: '/d/log',
    settings: settingsFor({ memoryGiB: 1, vcpu: 1 }),
    access,
  };
}

const peer = { method: 'peer', gatewayOsUser: 'gw', roles: ['p_rw_b', 'app_rw_a'] } as const;

describe('who may log in', () => {
  it('is said by a pattern from 16 on', () => {
    expect(hostBasedAccess(specOf('16', peer))).toBe(
      'local all borealis scram-sha-256\nlocal all "/^(app|p|di)_(rw|ro)_[a-z0-9_]+$" peer map=tenant\nlocal all all reject\n',
    );
    expect(userMaps(specOf('16', peer))).toBe('tenant gw "/^(app|p|di)_(rw|ro)_[a-z0-9_]+$"\n');
  });

  it('is said role by role before', () => {
    expect(hostBasedAccess(specOf('15', peer))).toBe(
      'local all borealis scram-sha-256\nlocal all app_rw_a,p_rw_b peer map=tenant\nlocal all all reject\n',
    );
    expect(userMaps(specOf('15', peer))).toBe('tenant gw app_rw_a\ntenant gw p_rw_b\n');
    expect(hostBasedAccess(specOf('13', { ...peer, roles: [] }))).not.toContain('peer');
  });

  it('never trusts, and takes no name that could say more than a name', () => {
    for (const major of ['13', '18']) {
      for (const access of [peer, { method: 'scram' } as const])
        expect(hostBasedAccess(specOf(major, access))).not.toContain('trust');
    }
    expect(() => userMaps(specOf('16', { ...peer, gatewayOsUser: 'a b' }))).toThrow(/not a user name/);
    expect(() => userMaps(specOf('13', { ...peer, roles: ['app_rw_a\nborealis'] }))).toThrow(
      /not the name of a tenant/,
    );
    const named = (name: string) => ({ ...specOf('16', peer), superuser: { name, password: 'x' } });
    for (const name of ['all', 'pg_x', 'app_rw_a', '+x', '/x', 'A', 'a b']) {
      expect(() => checkSpec(named(name)), name).toThrow(/cannot be the superuser's name/);
    }
    expect(() => checkSpec({ ...specOf('16', peer), socketDirectory: `/${'x'.repeat(90)}` })).toThrow(
      /at most 107 bytes/,
    );
  });
});

describe('settings', () => {
  it('cannot open a TCP port, whatever the caller asks', () => {
    const spec = { ...specOf('16', peer), settings: { listen_addresses: '*', ssl: 'on' } };
    expect(serverSettings(spec)).toMatchObject({ listen_addresses: '', ssl: 'off', unix_socket_permissions: '0770' });
  });

  it('grow with the plan and name nothing that a major does not know', () => {
    const small = settingsFor({ memoryGiB: 1, vcpu: 1 });
    const big = settingsFor({ memoryGiB: 16, vcpu: 4 });
    for (const name of ['shared_buffers', 'effective_cache_size', 'max_connections']) {
      expect(Number.parseInt(big[name]!, 10), name).toBeGreaterThan(Number.parseInt(small[name]!, 10));
    }
    // A standby of another plan must have as many as its primary.
    expect(small.max_wal_senders).toBe(big.max_wal_senders);
    expect(serverSettings(specOf('17', peer))).not.toHaveProperty('io_workers');
    expect(serverSettings(specOf('18', peer))).toHaveProperty('io_workers', '1');
  });
});

describe('files of another user', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'bpgf-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('are replaced as a whole and never written through a link', async () => {
    const [victim, path] = [join(directory, 'victim'), join(directory, 'file')];
    await writeFile(victim, 'untouched');
    await symlink(victim, path);
    expect(await replaceFile(path, 'new', null)).toBe(true);
    expect(await replaceFile(path, 'new', null)).toBe(false);
    expect(await readFile(victim, 'utf8')).toBe('untouched');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await symlink(victim, join(directory, 'log'));
    await expect(trimLog(join(directory, 'log'), 1)).rejects.toThrow(/ELOOP/);
  });

  it('are cut to their newest half when a log grows too long', async () => {
    const log = join(directory, 'log');
    await trimLog(log);
    expect(await lastLines(log, 3)).toBe('');
    await writeFile(log, Array.from({ length: 1000 }, (_, n) => `line ${n}\n`).join(''));
    await trimLog(log, 2000);
    expect((await stat(log)).size).toBe(1000);
    expect(await lastLines(log, 2)).toBe('line 998\nline 999');
    await trimLog(log, 2000);
    expect((await stat(log)).size).toBe(1000);
  });
});

describe('processes', () => {
  it('are known by start time, and this one is among them', async () => {
    const me = (await listProcesses()).find(({ pid }) => pid === process.pid);
    expect(me).toMatchObject({ parent: process.ppid, uid: process.getuid!() });
    expect(me?.startTime).toMatch(/\d/);
  });

  it('are read from ps where there is no /proc', () => {
    expect(parsePsLine('  501     1   70 Ss   Sat Nov 22 13:00:01 2026     /r/bin/postgres -D /d/data')).toEqual([
      { pid: 501, parent: 1, uid: 70, startTime: 'Sat Nov 22 13:00:01 2026', command: '/r/bin/postgres -D /d/data' },
    ]);
    expect(parsePsLine('  502   501   70 Z    Sat Nov  2 13:00:01 2026     (postgres)')).toEqual([]);
    expect(parsePsLine('')).toEqual([]);
  });
});
