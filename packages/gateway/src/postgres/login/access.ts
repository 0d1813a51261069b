import {
  type GatewayConfig,
  type GatewayRole,
  parseVerifier,
  type TunnelUser,
  verifierDigest,
} from '@borealis/contract';
import type { KnownVerifier } from '../scram/mock-challenge.js';

interface KnownRole extends GatewayRole {
  parsed: KnownVerifier[];
}

/** Who asks for what: a tunnel's user name, and user and database of the start-up packet. */
export interface Claim {
  tunnelUser: string;
  role: string;
  database: string;
}

/** Which roles and databases a tunnel reaches, by one revision of the configuration. */
export class Access {
  readonly #roles = new Map<string, KnownRole>();
  readonly #tunnelUsers = new Map<string, TunnelUser>();

  /** Throws when a verifier cannot be used, naming its role. */
  constructor(config: Pick<GatewayConfig, 'roles' | 'tunnelUsers'>) {
    for (const role of config.roles) this.#roles.set(role.name, { ...role, parsed: parseAll(role) });
    for (const user of config.tunnelUsers) this.#tunnelUsers.set(user.username, user);
  }

  /** The role's passwords, if this tunnel may know that the role exists; else none. */
  verifiers({ tunnelUser, role }: Claim): readonly KnownVerifier[] {
    return this.#tunnelUsers.get(tunnelUser)?.roles.includes(role) ? (this.#roles.get(role)?.parsed ?? []) : [];
  }

  /** Whether this tunnel may use this role in this database at all: what must stay true while a session lives. */
  allows({ tunnelUser, role, database }: Claim): boolean {
    const user = this.#tunnelUsers.get(tunnelUser);
    const known = this.#roles.get(role);
    return !!user?.roles.includes(role) && user.database === database && known?.database === database;
  }

  /** Whether the role's password has run out. PostgreSQL asks this at login only, and so do we. */
  expired({ role }: Claim, now = Date.now()): boolean {
    const until = this.#roles.get(role)?.validUntil;
    return until != null && Date.parse(until) <= now;
  }
}

function parseAll(role: GatewayRole): KnownVerifier[] {
  const parsed = role.verifiers.map((text) => {
    try {
      return { ...parseVerifier(text), digest: verifierDigest(text) };
    } catch {
      throw new Error(`a verifier of role "${role.name}" is not a SCRAM-SHA-256 verifier`);
    }
  });
  const [first] = parsed;
  if (parsed.some((v) => !v.salt.equals(first!.salt) || v.iterations !== first!.iterations)) {
    throw new Error(`the verifiers of role "${role.name}" must share salt and iterations`);
  }
  return parsed;
}
