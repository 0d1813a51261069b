import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatVerifier, makeVerifier, verifierDigest } from '@borealis/contract';
import type { ClusterAccess, ClusterState, CredentialUse, Engine } from './engine.js';

const WAIT_MS = 120_000;

export interface KeyPair {
  private: string;
  /** OpenSSH's one-line form. */
  public: string;
}

export interface Visitor {
  tunnelUser: string;
  key: KeyPair;
  role: string;
  password: string;
  database: string;
}

/** Somebody who has a tunnel open and one session in it. */
export interface Visit {
  /** Asks the database something; rejects when the session is over. */
  ask(): Promise<void>;
  leave(): Promise<void>;
}

/** The clients that the suite needs, of whatever make. */
export interface Clients {
  makeKey(): KeyPair;
  /** Opens a tunnel and a session; rejects when either is refused. */
  enter(cluster: ClusterState, visitor: Visitor): Promise<Visit>;
}

const [USER, ROLE, DATABASE] = ['conform-app', 'app_rw_conform', 'conform'];

/** An app's key and password as they are exchanged for new ones: what is told at each moment, and what is ended at last. */
export async function rotatesCredentials(engine: Engine, clients: Clients, id: string) {
  const { accessRevision } = (await engine.cluster(id))!;
  const [oldKey, newKey] = [clients.makeKey(), clients.makeKey()];
  const oldVerifier = await makeVerifier('the-old-password');
  const verifiers = [oldVerifier, await makeVerifier('the-new-password', oldVerifier)].map(formatVerifier);
  const apply = (step: number, keys: KeyPair[], texts: string[]) =>
    engine.applyAccess(id, document(accessRevision + step, keys, texts));
  const enter = async (key: KeyPair, password: string) => {
    const cluster = await engine.cluster(id);
    return clients.enter(cluster!, { tunnelUser: USER, key, role: ROLE, password, database: DATABASE });
  };
  const [oldUse, newUse] = [useOf(oldKey, verifiers[0]!), useOf(newKey, verifiers[1]!)];
  const ending = (fingerprints: string[], verifierDigests: string[]) =>
    engine.closeSessions(id, { tunnelUsers: [], roles: [], credentials: { fingerprints, verifierDigests } });

  await apply(1, [oldKey], verifiers.slice(0, 1));
  assert.deepEqual(await engine.credentialUse(id), join());
  const old = await enter(oldKey, 'the-old-password');
  assert.deepEqual(await engine.credentialUse(id), oldUse);
  await apply(2, [oldKey, newKey], verifiers);
  const fresh = await enter(newKey, 'the-new-password');
  assert.deepEqual(sorted(await engine.credentialUse(id)), join(oldUse, newUse));
  // Whoever is in stays in, and is told as before, when the document has lost what let him in.
  await apply(3, [newKey], verifiers.slice(1));
  assert.deepEqual(sorted(await engine.credentialUse(id)), join(oldUse, newUse));
  await old.ask();
  await assert.rejects(enter(oldKey, 'the-new-password'));
  await assert.rejects(enter(newKey, 'the-old-password'));
  await until(engine, id, join(oldUse, newUse));

  await ending([], [verifierDigest(verifiers[0]!)]);
  await until(engine, id, join({ ...oldUse, sessions: [] }, newUse));
  await assert.rejects(old.ask());
  await ending([fingerprintOf(oldKey)], []);
  await until(engine, id, newUse);
  await fresh.ask();
  await Promise.all([old.leave(), fresh.leave()]);
  await until(engine, id, join());
}

function document(revision: number, keys: KeyPair[], verifiers: string[]): ClusterAccess {
  const publicKeys = keys.map((key) => key.public);
  const user = { username: USER, kind: 'app' as const, label: 'conformance', publicKeys, database: DATABASE };
  return {
    revision,
    databases: [{ name: DATABASE, owner: ROLE }],
    roles: [{ name: ROLE, database: DATABASE, verifiers, validUntil: null }],
    tunnelUsers: [{ ...user, roles: [ROLE], validUntil: null }],
  };
}

function fingerprintOf(key: KeyPair): string {
  const hash = createHash('sha256').update(Buffer.from(key.public.split(' ')[1]!, 'base64'));
  return `SHA256:${hash.digest('base64').replace(/=*$/, '')}`;
}

const useOf = (key: KeyPair, verifier: string): CredentialUse => ({
  tunnels: [{ username: USER, fingerprint: fingerprintOf(key), count: 1 }],
  sessions: [{ role: ROLE, verifierDigest: verifierDigest(verifier), count: 1 }],
});

function join(...uses: CredentialUse[]): CredentialUse {
  return sorted({
    tunnels: uses.flatMap(({ tunnels }) => tunnels),
    sessions: uses.flatMap(({ sessions }) => sessions),
  });
}

function sorted({ tunnels, sessions }: CredentialUse): CredentialUse {
  return {
    tunnels: tunnels.toSorted((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1)),
    sessions: sessions.toSorted((a, b) => (a.verifierDigest < b.verifierDigest ? -1 : 1)),
  };
}

/** What ends takes a moment to be gone. */
async function until(engine: Engine, id: string, expected: CredentialUse): Promise<void> {
  const end = Date.now() + WAIT_MS;
  for (;;) {
    const use = sorted(await engine.credentialUse(id));
    if (JSON.stringify(use) === JSON.stringify(expected)) return;
    if (Date.now() > end) assert.deepEqual(use, expected);
    await sleep(50);
  }
}
