import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { POSTGRES_MAJORS } from '@borealis/contract';
import { dataAtRest, newestInStore, openStore, poolStatus, tryStore } from '@borealis/engine-local';
import { cacheDirectory, canFetchClientTools, findClientTools, isCached, offeredRelease } from '@borealis/postgres';
import type { Config } from './config.js';
import { readEnvironment } from './env-file.js';
import { configuredPool } from './home-pool.js';
import { describePool } from './pool-command.js';
import { describeBuild, systemReleases } from './postgres-build.js';
import { platformRefusal } from './requirements.js';

interface Finding {
  subject: string;
  state: 'ok' | 'note' | 'problem';
  sentence: string;
}

const program = (name: string, args: string[], why: string, needed: boolean): Finding => {
  const there = spawnSync(name, args, { stdio: 'ignore' }).error === undefined;
  if (there) return { subject: name, state: 'ok', sentence: `${name} is there.` };
  return { subject: name, state: needed ? 'problem' : 'note', sentence: `${name} is missing: ${why}.` };
};

function isolation(): Finding {
  if (process.getuid?.() === 0 && process.platform === 'linux') {
    return {
      subject: 'isolation',
      state: 'ok',
      sentence: 'Running as root: every cluster and every gateway has an operating-system user of its own.',
    };
  }
  return {
    subject: 'isolation',
    state: 'note',
    sentence:
      'Running as an ordinary user: all clusters and gateways run as you and are one trust domain; what one of them could be made to do, it could do to all.',
  };
}

/** Whether gateways can have 127.x.y.z:22, which anything on 0.0.0.0:22 prevents. */
async function gatewayAddresses(): Promise<Finding> {
  const canBind = await new Promise<boolean>((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(22, '127.99.99.99', () => server.close(() => resolve(true)));
  });
  return canBind
    ? {
        subject: 'gateway addresses',
        state: 'ok',
        sentence: 'Gateways get an address of their own on port 22 (127.x.y.z:22).',
      }
    : {
        subject: 'gateway addresses',
        state: 'note',
        sentence: 'Gateways get a high port on 127.0.0.1: port 22 of loopback addresses cannot be used here.',
      };
}

/** Whether what must survive the machine has a place that works, and when something came there last. */
async function objectStore({ store: location }: Config): Promise<Finding> {
  const subject = 'object store';
  if (!location)
    return { subject, state: 'note', sentence: 'Nothing survives the machine: BOREALIS_STORE names no object store.' };
  try {
    const store = openStore(location);
    await tryStore(store);
    const newest = await newestInStore(store);
    const last = newest ? `the newest part of a backup came there at ${newest.toISOString()}` : 'it has no backup yet';
    return { subject, state: 'ok', sentence: `${store.location} can be written and read; ${last}.` };
  } catch (error) {
    return { subject, state: 'problem', sentence: (error as Error).message };
  }
}

async function releases(): Promise<Finding> {
  const cached: string[] = [];
  for (const major of POSTGRES_MAJORS) {
    const { version } = offeredRelease(major);
    if (await isCached(version, cacheDirectory())) cached.push(version);
  }
  const list = cached.length > 0 ? cached.join(', ') : 'none';
  return {
    subject: 'PostgreSQL releases',
    state: 'ok',
    sentence: `In the cache: ${list}; others are fetched from npm when first asked for.`,
  };
}

/** Said only where the operator has asked for the system's. */
async function postgresBuild({ postgresBuild: build }: Config): Promise<Finding[]> {
  if (build === 'npm') return [];
  const installed = await systemReleases();
  const subject = 'PostgreSQL of the system';
  return [{ subject, state: noteUnless(installed.length > 0), sentence: describeBuild(installed) }];
}

/** For backups, dumps and restores; `psql` of any version does for queries. */
async function clientTools(): Promise<Finding> {
  const found = await Promise.all(POSTGRES_MAJORS.map((major) => findClientTools(major, cacheDirectory())));
  const missing = POSTGRES_MAJORS.filter((_, index) => found[index] === null);
  const subject = 'pg_dump and pg_restore';
  if (missing.length === 0) return { subject, state: 'ok', sentence: `${subject} are there for every major version.` };
  const fetched = await Promise.all(missing.map((major) => canFetchClientTools(major)));
  const lost = missing.filter((_, index) => !fetched[index]);
  if (lost.length > 0) {
    const sentence = `${subject} for PostgreSQL ${lost.join(', ')} are missing and cannot be fetched here: NIGHTLY BACKUPS of such databases FAIL until they are installed.`;
    return { subject, state: 'problem', sentence };
  }
  const sentence = `${subject} for PostgreSQL ${missing.join(', ')} are not here yet: the first nightly backup of such a database fetches them.`;
  return { subject, state: 'note', sentence };
}

/** What the files of the home have, or would have: found by looking. */
async function dataFinding(config: Config): Promise<Finding> {
  const pool = await configuredPool(config);
  if (pool) {
    const found = await poolStatus(pool);
    const state = found.state === 'broken' || found.state === 'unfinished' ? 'problem' : noteUnless(pool.key !== null);
    return { subject: 'encryption at rest', state, sentence: describePool(found).join(' ') };
  }
  const { encryption, copyOnWrite } = await dataAtRest(nearestDirectory(config.home));
  const what = encryption
    ? `The disk of ${config.home} is encrypted: ${encryption}.`
    : `No encryption was found below ${config.home}, and Borealis adds none without a pool ("borealis pool init"). Stored passwords and keys are encrypted.`;
  const copies = copyOnWrite ? 'Copies share blocks.' : 'Copies take their whole size.';
  return { subject: 'encryption at rest', state: noteUnless(encryption !== null), sentence: `${what} ${copies}` };
}

const noteUnless = (fine: boolean): Finding['state'] => (fine ? 'ok' : 'note');

function nearestDirectory(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestDirectory(dirname(path));
}

/** Looks at the machine; prints findings; returns 1 when something needed is missing, else 0. */
export async function doctor(config: Config, json: boolean): Promise<number> {
  const refusal = platformRefusal(process.platform, process.arch);
  const running = await readEnvironment(config.home);
  const findings: Finding[] = [
    refusal
      ? { subject: 'platform', state: 'problem', sentence: refusal.message }
      : {
          subject: 'platform',
          state: 'ok',
          sentence: `${process.platform}-${process.arch}, Node.js ${process.versions.node}.`,
        },
    program('ssh', ['-V'], 'tunnels are opened with it (package openssh-client)', true),
    program('bash', ['--version'], 'dynos start in it', true),
    program('tar', ['--version'], 'PostgreSQL releases come as archives', true),
    program('psql', ['--version'], '"heroku borealis-pg:psql" needs it (package postgresql-client)', false),
    await clientTools(),
    isolation(),
    await gatewayAddresses(),
    await releases(),
    ...(await postgresBuild(config)),
    await dataFinding(config),
    await objectStore(config),
    running
      ? {
          subject: 'running',
          state: 'ok',
          sentence: `Running on ${config.home}: platform ${running.PLATFORM_URL}, service ${running.ADDON_API_URL}.`,
        }
      : { subject: 'running', state: 'note', sentence: `Not running on ${config.home}.` },
  ];
  if (json) process.stdout.write(`${JSON.stringify(findings, null, 2)}\n`);
  else
    for (const { state, sentence } of findings)
      process.stdout.write(`${{ ok: '✓', note: '•', problem: '✗' }[state]} ${sentence}\n`);
  return findings.some(({ state }) => state === 'problem') ? 1 : 0;
}
