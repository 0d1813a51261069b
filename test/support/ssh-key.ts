import { makeSshKeyPair } from '@borealis/contract';

/** An ed25519 key pair as plain text, for a test that plays both ends. */
export function sshKey(): { public: string; private: string } {
  const { publicKey, privateKey } = makeSshKeyPair();
  return { public: publicKey, private: privateKey.reveal() };
}
