import { type ConnInfo, clusterHosts, formatConnInfo, Secret } from '@borealis/contract';
import type { GatewayEndpoint } from '@borealis/engine';
import { clientAppToken } from '../client-app-token.js';
import type { Addon } from './addon-store.js';
import type { AddonWork } from './addon-work.js';
import { type AppCredentials, type AppRole, appCredentials } from './credentials.js';
import { findLocalPorts, type LocalPorts } from './local-ports.js';

/** What the config vars are written from. */
export interface ConfigVarParts {
  addon: Addon;
  ports: LocalPorts;
  credentials: AppCredentials;
  gateway: GatewayEndpoint;
  /** PEM of the authority that signed the cluster's certificate. */
  caCertificate: string;
  clientAppToken: Secret;
  /** The host in the URLs: the app's end of its own tunnel. */
  tunnelHost: string;
  /** Where the add-on API answers. */
  apiBaseUrl: string;
}

/** A config var as the platform takes it. */
export interface ConfigVar {
  name: string;
  value: Secret;
}

/** The config vars as they should be now. */
export async function currentConfigVars(work: AddonWork, addon: Addon): Promise<ConfigVar[]> {
  const { gateway } = (await work.engine.cluster(addon.cluster_id)) ?? {};
  if (!gateway) throw new Error('The cluster has no gateway.');
  return configVars({
    addon,
    gateway,
    ports: (await findLocalPorts(work.db, addon.id))!,
    credentials: await appCredentials(work.db, work.vault, addon.id),
    caCertificate: await work.engine.caCertificate(),
    clientAppToken: clientAppToken(work.clientAppTokenKey, addon.id, work.apiBaseUrl()),
    tunnelHost: work.tunnelHost,
    apiBaseUrl: work.apiBaseUrl(),
  });
}

/** The three config vars of an add-on; the same parts always give the same text. */
export function configVars(parts: ConfigVarParts): ConfigVar[] {
  const { credentials, ports } = parts;
  return [
    { name: 'BOREALIS_PG_URL', value: url(parts, credentials.roles.rw, ports.rw) },
    { name: 'BOREALIS_PG_READONLY_URL', value: url(parts, credentials.roles.ro, ports.ro) },
    { name: 'BOREALIS_PG_TUNNEL_BPG_CONN_INFO', value: new Secret(formatConnInfo(connInfo(parts))) },
  ];
}

// sslmode=require: clients whose default would not even try TLS (lib/pq's is fine, PDO's is not) then get in all the same.
function url({ tunnelHost, addon }: ConfigVarParts, role: AppRole, port: number): Secret {
  const login = `${role.name}:${role.password.reveal()}`;
  return new Secret(`postgres://${login}@${tunnelHost}:${port}/${addon.database_name}?sslmode=require`);
}

function connInfo(parts: ConfigVarParts): ConnInfo {
  const { addon, credentials, gateway, clientAppToken, apiBaseUrl } = parts;
  const hosts = clusterHosts(addon.cluster_id);
  const { ro, rw } = credentials.roles;
  return {
    ADDON_ID: addon.id,
    API_BASE_URL: apiBaseUrl,
    CLIENT_APP_JWT: clientAppToken.reveal(),
    POSTGRES_CA_CERTIFICATE: parts.caCertificate,
    POSTGRES_DB_NAME: addon.database_name,
    POSTGRES_PORT: String(hosts.port),
    POSTGRES_READER_HOST: hosts.replica,
    POSTGRES_READER_PASSWORD: ro.password.reveal(),
    POSTGRES_READER_USERNAME: ro.name,
    POSTGRES_WRITER_HOST: hosts.primary,
    POSTGRES_WRITER_PASSWORD: rw.password.reveal(),
    POSTGRES_WRITER_USERNAME: rw.name,
    SSH_HOST: gateway.host,
    SSH_PORT: String(gateway.port),
    SSH_PUBLIC_HOST_KEY: gateway.hostKey,
    SSH_USERNAME: credentials.sshUsername,
    SSH_USER_PRIVATE_KEY: credentials.sshPrivateKey.reveal(),
  };
}
