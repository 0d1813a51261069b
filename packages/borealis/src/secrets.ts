import { hkdfSync, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { randomPassword, Secret } from '@borealis/contract';
import { z } from 'zod';
import { readIfThere, writeDurably } from './durable-file.js';
import { Failure } from './failure.js';

const credentials = z.object({
  partnerPassword: z.string(),
  oauthClientSecret: z.string(),
  ssoSalt: z.string(),
  operatorToken: z.string(),
  ownerToken: z.string(),
});

/** What the processes of one home prove themselves with to each other; made once, kept in a 0600 file. */
export type Credentials = z.infer<typeof credentials>;

/** Adopts the home's credentials or makes them. */
export async function ensureCredentials(home: string): Promise<Credentials> {
  const file = join(home, 'credentials.json');
  const text = await readIfThere(file);
  if (text !== null) return credentials.parse(JSON.parse(text));
  const fresh: Credentials = {
    partnerPassword: randomPassword(),
    oauthClientSecret: randomPassword(),
    ssoSalt: randomPassword(),
    operatorToken: randomPassword(),
    ownerToken: `HRKU-${randomPassword()}`,
  };
  await writeDurably(file, `${JSON.stringify(fresh, null, 2)}\n`);
  return fresh;
}

/** The key that every stored secret is encrypted under: the configured one, else the home's 0600 file, made at first. */
export async function ensureMasterKey(home: string, configured: string | null): Promise<Secret<Buffer>> {
  if (configured !== null) return new Secret(Buffer.from(configured, 'base64'));
  const file = join(home, 'master.key');
  if ((await readIfThere(file)) !== null) return readMasterKey(home, null);
  const key = randomBytes(32);
  await writeDurably(file, `${key.toString('base64')}\n`);
  return new Secret(key);
}

/** The same key; a `Failure` where none was made yet. */
export async function readMasterKey(home: string, configured: string | null): Promise<Secret<Buffer>> {
  if (configured !== null) return new Secret(Buffer.from(configured, 'base64'));
  const file = join(home, 'master.key');
  const text = await readIfThere(file);
  if (text === null) throw new Failure(`There is no master key: set BOREALIS_MASTER_KEY, or put the key into ${file}.`);
  const key = Buffer.from(text.trim(), 'base64');
  if (key.length !== 32) throw new Failure(`${file} does not hold a master key: 32 bytes in base64 are needed.`);
  return new Secret(key);
}

/** The key under which the keys of clusters are kept in an object store: made from the master key, and telling nothing about it. */
export function storeKey(masterKey: Secret<Buffer>): Secret<Buffer> {
  return new Secret(Buffer.from(hkdfSync('sha256', masterKey.reveal(), '', 'borealis object store', 32)));
}
