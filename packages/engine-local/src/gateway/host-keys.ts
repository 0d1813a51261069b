import { makeSshKeyPair, Secret } from '@borealis/contract';
import ssh2 from 'ssh2';

export interface HostKeys {
  /** OpenSSH private keys, the preferred first: ed25519, then ecdsa-256. */
  privateKeys: Secret[];
  /** One-line public key of the first. */
  publicKey: string;
}

/** Makes the keys by which a gateway proves itself for the cluster's life. */
export function generateHostKeys(): HostKeys {
  const ed25519 = makeSshKeyPair();
  const ecdsa = ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256 });
  const privateKeys = [ed25519.privateKey, new Secret(ecdsa.private)];
  assertSound(privateKeys[0]!, ed25519.publicKey);
  assertSound(privateKeys[1]!, ecdsa.public);
  return { privateKeys, publicKey: ed25519.publicKey };
}

/** These keys stand in other companies' forms for years: one that cannot be read back must never be handed out. */
function assertSound(privateKey: Secret, publicKey: string): void {
  const parsed = ssh2.utils.parseKey(privateKey.reveal());
  if (parsed instanceof Error || parsed.getPublicSSH().toString('base64') !== publicKey.split(' ')[1])
    throw new Error('BUG: a generated SSH host key cannot be read back');
}
