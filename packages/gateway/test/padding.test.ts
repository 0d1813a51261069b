import { randomBytes } from 'node:crypto';
import ssh2Crypto from 'ssh2/lib/protocol/crypto.js';
import { expect, test } from 'vitest';
import { type CipherInternals, nativeCrypto } from '../src/ssh/internals.js';
import { poolPadding } from '../src/ssh/padding.js';

interface CipherInfo {
  keyLen: number;
  ivLen: number;
}
interface MacInfo {
  len: number;
}
const real = ssh2Crypto as unknown as {
  CIPHER_INFO: Record<string, CipherInfo>;
  MAC_INFO: Record<string, MacInfo>;
  createCipher(config: object): CipherInternals;
};

/** A cipher as ssh2 makes it at the end of a key exchange. */
function cipher(name: string, mac?: string): CipherInternals {
  const [cipherInfo, macInfo] = [real.CIPHER_INFO[name]!, mac === undefined ? undefined : real.MAC_INFO[mac]!];
  const [cipherKey, cipherIV] = [randomBytes(cipherInfo.keyLen), randomBytes(cipherInfo.ivLen)];
  const authentication = macInfo && { macInfo, macKey: randomBytes(macInfo.len) };
  return real.createCipher({
    outbound: { seqno: 0, onWrite: () => {}, cipherInfo, cipherKey, cipherIV, ...authentication },
  });
}

test.skipIf(!nativeCrypto).each(['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com'])(
  'packets of %s keep their form for every length of payload (needs ssh2’s native binding)',
  (name) => {
    const [pooled, own] = [cipher(name), cipher(name)];
    const before = pooled.allocPacket;
    poolPadding(pooled);
    expect(pooled.allocPacket).not.toBe(before);
    for (let payload = 1; payload < 40_000; payload += payload < 300 ? 1 : 997) {
      const [ours, theirs] = [pooled.allocPacket(payload), own.allocPacket(payload)];
      expect([ours.length, ours.subarray(0, 5)]).toEqual([theirs.length, theirs.subarray(0, 5)]);
    }
  },
);

test.skipIf(!nativeCrypto)('no padding comes twice (needs ssh2’s native binding)', () => {
  const pooled = cipher('aes128-gcm@openssh.com');
  poolPadding(pooled);
  const paddings = Array.from({ length: 20_000 }, () => pooled.allocPacket(16).toString('hex', 21, 36));
  expect(new Set(paddings).size).toBe(paddings.length);
});

test.each(['hmac-sha2-256', 'hmac-sha2-256-etm@openssh.com'])(
  'packets of AES-CTR with %s have another form, and the cipher keeps its own way',
  (mac) => {
    const other = cipher('aes128-ctr', mac);
    const own = other.allocPacket;
    poolPadding(other);
    expect(other.allocPacket).toBe(own);
  },
);
