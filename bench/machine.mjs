import { readFile } from 'node:fs/promises';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { offeredRelease } from '@borealis/postgres';
import { MAJOR } from './peer/postgres.mjs';

/** How many processes ran or wanted to, on average over the last minute. */
export function load() {
  return loadavg()[0].toFixed(1);
}

/** What the figures were taken on, as rows of a table. */
export function describeMachine() {
  const processors = cpus();
  return [
    ['CPU', `${processors[0]?.model.trim() ?? 'unknown'}, ${processors.length} cores`],
    ['memory', `${(totalmem() / 2 ** 30).toFixed(1)} GiB`],
    ['kernel', `${process.platform} ${release()} ${process.arch}`],
    ['Node.js', `${process.version}, OpenSSL ${process.versions.openssl}`],
    ['PostgreSQL', `${offeredRelease(MAJOR).version} on both sides`],
  ];
}

/** Whether the gateways of an installation run with compiled crypto, as their own logs say. */
export async function nativeCrypto(installation) {
  const [cluster] = await installation.clusters();
  if (cluster === undefined) return 'unknown';
  const log = await readFile(join(installation.home, 'clusters', cluster, 'gateway.log'), 'utf8');
  return /"nativeCrypto":true/.test(log) ? 'yes' : 'no';
}
