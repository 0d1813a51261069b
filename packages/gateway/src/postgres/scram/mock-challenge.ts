import { createHmac } from 'node:crypto';
import { SCRAM_ITERATIONS, type ScramVerifier } from '@borealis/contract';
import type { ScramChallenge } from './server-exchange.js';

/** As many keys are tried in every login, whether a role has one password, two, or does not exist. */
const SLOTS = 2;

/** A verifier of the configuration, with the digest of its text. */
export interface KnownVerifier extends ScramVerifier {
  digest: string;
}

/**
 * Makes what a login is checked against. `verifiers` of one role share their salt; none: the role is unknown here, and the
 * answer is a challenge that no password meets, steady over restarts, at the same cost as a real one.
 */
export function makeChallenge(mockSecret: Buffer, role: string, verifiers: readonly KnownVerifier[]): ScramChallenge {
  const derive = (what: string) => createHmac('sha256', mockSecret).update(`${what}\0${role}`).digest();
  const mockSalt = derive('salt').subarray(0, 16);
  const mockKey = { storedKey: derive('stored key'), serverKey: derive('server key'), digest: 'mock' };
  const first = verifiers[0];
  return {
    salt: first?.salt ?? mockSalt,
    iterations: first?.iterations ?? SCRAM_ITERATIONS,
    keys: Array.from({ length: SLOTS }, (_, i) => verifiers[i] ?? mockKey),
  };
}
