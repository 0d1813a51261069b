import {
  formatVerifier,
  type GatewayConfig,
  type GatewayConfigInput,
  gatewayConfig,
  makeVerifier,
} from '@borealis/contract';
import type { Tunnel } from '../../front.js';
import { selfSigned } from './certificates.js';
import { CLUSTER_PASSWORD, type RealPostgres } from './real-postgres.js';

/** Passwords that clients log in with, by role. */
export const PASSWORDS: Record<string, string> = {
  app_rw_alpha: 'alpha-rw-password',
  app_ro_alpha: 'alpha-ro-password',
  app_rw_beta: 'beta-rw-password',
  app_rw_gamma: 'gamma-rw-password',
};

/** A second password of `app_rw_alpha`, valid beside the first. */
export const NEW_PASSWORD = 'alpha-rw-password-of-tomorrow';

/** A configuration for the tenants of `realPostgres`; `backendAuth` is peer for alpha and beta, scram for gamma. */
export async function testConfig(
  postgres: RealPostgres,
  changes: Partial<GatewayConfigInput> = {},
): Promise<GatewayConfig> {
  const server = { socketDirectory: postgres.socketDirectory, port: postgres.port };
  const input: GatewayConfigInput = {
    clusterId: 'test1',
    revision: 1,
    tenancy: 'shared',
    listen: { host: '127.0.0.1', port: 0 },
    hosts: { primary: 'primary.test', replica: 'replica.test', port: 5432 },
    generation: 1,
    primary: server,
    replica: null,
    backendAuth: { method: 'peer' },
    sshHostKeys: ['none'],
    tls: selfSigned(['localhost']),
    mockSecret: Buffer.alloc(32, 7).toString('base64'),
    tunnelUsers: [
      tunnelUser('alpha', ['app_rw_alpha', 'app_ro_alpha']),
      tunnelUser('beta', ['app_rw_beta']),
      tunnelUser('gamma', ['app_rw_gamma']),
    ],
    roles: await Promise.all(Object.keys(PASSWORDS).map(role)),
    ...changes,
  };
  return gatewayConfig.parse(input);
}

export const scramBackend = { method: 'scram', password: CLUSTER_PASSWORD } as const;

/** The tunnel of one of the tenants. */
export function testTunnel(config: GatewayConfig, tenant: string): Tunnel {
  const user = config.tunnelUsers.find(({ username }) => username === `${tenant}-app`);
  if (!user) throw new Error(`no tunnel user for ${tenant}`);
  return { id: `tunnel-${tenant}`, user, fingerprint: 'SHA256:test', address: '127.0.0.1' };
}

const tunnelUser = (tenant: string, roles: string[]): GatewayConfigInput['tunnelUsers'][number] => ({
  username: `${tenant}-app`,
  kind: 'app',
  label: tenant,
  publicKeys: [],
  database: tenant,
  roles,
  validUntil: null,
});

async function role(name: string): Promise<GatewayConfigInput['roles'][number]> {
  const first = await makeVerifier(PASSWORDS[name]!);
  const verifiers = [first, ...(name === 'app_rw_alpha' ? [await makeVerifier(NEW_PASSWORD, first)] : [])];
  return { name, database: name.split('_')[2]!, verifiers: verifiers.map(formatVerifier), validUntil: null };
}
