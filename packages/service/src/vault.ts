import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { Secret } from '@borealis/contract';
import type { ControlDatabase } from './database.js';

/** Where a sealed value stands. It is authenticated with the value, so that no ciphertext can be moved to another place. */
export interface Place {
  table: string;
  row: string;
  column: string;
}

const VERSION = 1;
const NONCE = 12;
const TAG = 16;

/** Seals secrets for the control database: AES-256-GCM under a key derived from the master key. */
export class Vault {
  readonly #key: Secret<Buffer>;
  readonly #master: Secret<Buffer>;

  constructor(masterKey: Secret<Buffer>) {
    if (masterKey.reveal().length < 32) throw new Error('The master key must be at least 32 bytes long.');
    this.#master = masterKey;
    this.#key = this.derive('control database');
  }

  /** A key of 32 bytes for another purpose; the same one each time, telling nothing about the master key. */
  derive(purpose: string): Secret<Buffer> {
    return new Secret(Buffer.from(hkdfSync('sha256', this.#master.reveal(), '', `borealis ${purpose}`, 32)));
  }

  seal(value: Secret, place: Place): Buffer {
    const nonce = randomBytes(NONCE);
    const cipher = createCipheriv('aes-256-gcm', this.#key.reveal(), nonce).setAAD(additionalData(place));
    const text = Buffer.concat([cipher.update(value.reveal(), 'utf8'), cipher.final()]);
    return Buffer.concat([Buffer.of(VERSION), nonce, cipher.getAuthTag(), text]);
  }

  /** Throws when the value was changed, moved, or written under another master key; the error holds no part of it. */
  open(sealed: Buffer, place: Place): Secret {
    try {
      if (sealed[0] !== VERSION || sealed.length < 1 + NONCE + TAG) throw new Error('unknown form');
      const decipher = createDecipheriv('aes-256-gcm', this.#key.reveal(), sealed.subarray(1, 1 + NONCE), {
        authTagLength: TAG,
      });
      decipher.setAAD(additionalData(place)).setAuthTag(sealed.subarray(1 + NONCE, 1 + NONCE + TAG));
      const text = Buffer.concat([decipher.update(sealed.subarray(1 + NONCE + TAG)), decipher.final()]);
      return new Secret(text.toString('utf8'));
    } catch {
      throw new Error(`A secret in ${place.table}.${place.column} cannot be read under this master key.`);
    }
  }
}

function additionalData({ table, row, column }: Place): Buffer {
  return Buffer.from(JSON.stringify([table, row, column]));
}

const CHECK: Place = { table: 'master_key_check', row: '1', column: 'sealed' };

/** Refuses to start on a control database whose secrets were sealed under another master key. */
export async function checkMasterKey(db: ControlDatabase, vault: Vault): Promise<void> {
  await db.sql
    .insertInto('master_key_check')
    .values({ sealed: vault.seal(new Secret('borealis'), CHECK) })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const { sealed } = await db.sql.selectFrom('master_key_check').select('sealed').executeTakeFirstOrThrow();
  try {
    vault.open(sealed, CHECK);
  } catch {
    throw new Error('The master key is not the one that this control database was made with.');
  }
}
