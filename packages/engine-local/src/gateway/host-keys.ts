import { Secret } from '@borealis/contract';
import ssh2 from 'ssh2';

export interface HostKeys {
  /** OpenSSH private keys, the preferred first: ed25519, then ecdsa-256. */
  privateKeys: Secret[];
  /** One-line public key of the first. */
  publicKey: string;
}

/** Makes the keys by which a gateway proves itself for the cluster's life. */
export function generateHostKeys(): HostKeys {
  const ed25519 = ssh2.utils.generateKeyPairSync('ed25519');
  const ecdsa = ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256 });
  for (const pair of [ed25519, ecdsa]) assertSound(pair);
  return { privateKeys: [new Secret(ed25519.private), new Secret(ecdsa.private)], publicKey: ed25519.public.trim() };
}

/** These keys stand in other companies' forms for years: one that cannot be read back must never be handed out. */
function assertSound(pair: { private: string; public: string }): void {
  const parsed = ssh2.utils.parseKey(pair.private);
  if (parsed instanceof Error || parsed.getPublicSSH().toString('base64') !== pair.public.split(' ')[1])
    throw new Error('BUG: a generated SSH host key cannot be read back');
}
