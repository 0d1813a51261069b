import { cachedTools } from './cached.js';
import { fetchTools } from './fetch.js';
import { installedTools } from './installed.js';
import { type ClientTools, nearest } from './tools.js';

export interface ClientToolsRequest {
  /** Major of the server that they are for. */
  major: string;
  cacheDir: string;
  /** Told in plain sentences what takes time. */
  onProgress?: (sentence: string) => void;
}

/**
 * `pg_dump`, `pg_restore` and `psql` for a server of that major, out of what this machine and the cache have; null when all of it
 * is older than the server. The oldest that is new enough: what a newer `pg_dump` writes an older server takes with complaints.
 */
export async function findClientTools(major: string, cacheDir: string): Promise<ClientTools | null> {
  return nearest(major, [...(await installedTools()), ...(await cachedTools(cacheDir))]);
}

/**
 * The same, fetched into the cache first where there are none and the system is Debian. The system itself stays as it is, and what
 * was fetched is kept as it is, too. Throws `ReleaseError`, with what to install.
 */
export async function ensureClientTools(request: ClientToolsRequest): Promise<ClientTools> {
  return (await findClientTools(request.major, request.cacheDir)) ?? (await fetchTools(request));
}
