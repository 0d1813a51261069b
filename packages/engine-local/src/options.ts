import type { PostgresBuild, Secret } from '@borealis/contract';
import type { TenantBounds } from '@borealis/postgres';
import type { Logger } from 'pino';
import type { BackupBounds } from './backups/room.js';
import type { BasePolicy } from './copies/base-policy.js';

/** Where gateways listen when they shall be reachable from outside this machine. */
export interface PublicGateways {
  /** The name or address that clients use: it stands in config vars. */
  host: string;
  /** The local address to listen on: `0.0.0.0`, `::` or one of the machine's own. */
  bind: string;
  ports: { first: number; last: number };
}

/** Where what must survive the machine is kept. */
export interface StoreOptions {
  /** As `openStore` takes it. */
  location: string;
  /** 32 bytes: the keys of the clusters are in the store under this one. */
  wrappingKey: Secret<Buffer>;
  /** How long it may fail before it is told; a minute when not given. */
  lateMs?: number;
}

export interface KeeperOptions {
  /** One keeper owns this directory and everything in it. */
  home: string;
  /** Where PostgreSQL releases are kept, shared by all homes of the machine. */
  cacheDir: string;
  /** The directory with the bundled gateway: `gateway.cjs` and what it needs. */
  gatewayBundle: string;
  log: Logger;
  /** The host in database URLs, when it is not the published one: certificates name it too. */
  tunnelHost?: string;
  /** Left out: gateways listen on loopback addresses only. */
  publicGateways?: PublicGateways;
  /** How long a gateway that was replaced goes on with the tunnels it had, at most; 24 hours when not given. */
  gatewayDrainSeconds?: number;
  /** Other bounds for the tenants of shared clusters than the usual ones. */
  tenantBounds?: Partial<TenantBounds>;
  /** Other times for the bases that clusters are restored from than the usual ones. */
  bases?: Partial<BasePolicy>;
  /** How long finished log may fail to come into the archive before that is told, in milliseconds; a minute when not given. */
  archive?: { lateMs: number };
  /** How long there is a way back to the former major after an upgrade, in seconds; none when not given. */
  majorRevertSeconds?: number;
  /** `system`: new clusters run by a copy of the machine's own PostgreSQL where it has their major; `npm` when not given. */
  postgresBuild?: PostgresBuild;
  /** Where the machine's own packages are unpacked, when not in /usr. */
  systemRoot?: string;
  /** `off`: the service's own server keeps its release; a newer one is put in place before it is used when not given. */
  minorUpgrades?: 'auto' | 'off';
  /** Left out: nothing leaves the machine. */
  store?: StoreOptions;
  /** Other bounds for making and proving backups than the usual ones. */
  backups?: Partial<BackupBounds>;
}

/** Reads `22000-22999`; throws a plain sentence on anything else. */
export function parsePortRange(text: string): PublicGateways['ports'] {
  const match = /^(\d{1,5})-(\d{1,5})$/.exec(text.trim());
  const [first, last] = [Number(match?.[1]), Number(match?.[2])];
  if (!match || first < 1 || last > 65_535 || first > last)
    throw new Error(`"${text}" is not a range of ports; write it as first-last, such as 22000-22999.`);
  return { first, last };
}
