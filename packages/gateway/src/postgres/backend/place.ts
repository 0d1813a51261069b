import { join } from 'node:path';
import { type GatewayConfig, Secret } from '@borealis/contract';
import type { Target } from '../../front.js';
import { SaltedPasswords } from '../scram/client-exchange.js';

/** A server to open sessions on, and the generation it was told with. */
export interface Place {
  socketPath: string;
  generation: number;
  /** Names the catalogs that it has: where they are others, so are all identifiers in them. */
  catalogs: string;
  /** The secret of the cluster where the kernel does not vouch for the gateway; null: peer authentication. */
  passwords: SaltedPasswords | null;
}

/** The servers of one revision of the configuration. */
export class Places {
  readonly #passwords: SaltedPasswords | null;

  constructor(
    private readonly config: Pick<GatewayConfig, 'primary' | 'replica' | 'generation' | 'catalogs' | 'backendAuth'>,
  ) {
    const auth = config.backendAuth;
    this.#passwords = auth.method === 'scram' ? new SaltedPasswords(new Secret(auth.password)) : null;
  }

  /** Where a channel to `target` ends; without a replica that is the primary. */
  of(target: Target): Place {
    const { primary, replica, generation, catalogs } = this.config;
    const server = target === 'replica' && replica ? replica : primary;
    return {
      socketPath: join(server.socketDirectory, `.s.PGSQL.${server.port}`),
      generation,
      catalogs,
      passwords: this.#passwords,
    };
  }

  /** Whether a session opened there may go on: the same server, and on the primary the same generation of it. */
  current(target: Target, place: Place): boolean {
    const now = this.of(target);
    const onReplica = target === 'replica' && this.config.replica !== null;
    return now.socketPath === place.socketPath && (onReplica || now.generation === place.generation);
  }
}
