import type { GatewayStatus } from '@borealis/contract';
import type { Runtime } from './runtime.js';

/** Who is in, and by which verifier: its digest as the configuration had it at the login. */
export interface LoggedIn {
  role: string;
  verifier: string;
}

/** How many are in by each verifier, those whose server process is still being opened included. */
export function countByVerifier({ sessions, opening }: Runtime): GatewayStatus['sessionsByVerifier'] {
  const counts = new Map<string, GatewayStatus['sessionsByVerifier'][number]>();
  for (const { role, verifier } of [...[...sessions].map((session) => session.loggedIn), ...opening.values()]) {
    const key = `${role} ${verifier}`;
    counts.set(key, { role, verifierDigest: verifier, count: (counts.get(key)?.count ?? 0) + 1 });
  }
  return [...counts.values()];
}
