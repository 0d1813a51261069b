import type { GatewayStatus } from '@borealis/contract';
import type { Runtime } from './runtime.js';

/** Who is in, where, and by which verifier: its digest as the configuration had it at the login. */
export interface LoggedIn {
  role: string;
  database: string;
  verifier: string;
}

/** All who are in, those whose server process is still being opened included. */
export function allLoggedIn({ sessions, opening }: Pick<Runtime, 'sessions' | 'opening'>): LoggedIn[] {
  return [...[...sessions].map((session) => session.loggedIn), ...opening.values()];
}

/** How many are in by each verifier. */
export function countByVerifier(runtime: Runtime): GatewayStatus['sessionsByVerifier'] {
  const counts = new Map<string, GatewayStatus['sessionsByVerifier'][number]>();
  for (const { role, verifier } of allLoggedIn(runtime)) {
    const key = `${role} ${verifier}`;
    counts.set(key, { role, verifierDigest: verifier, count: (counts.get(key)?.count ?? 0) + 1 });
  }
  return [...counts.values()];
}
