import { interleave } from '../statistics.mjs';
import { connectThrough, startSsh } from '../tunnel.mjs';

async function newTunnelSeconds(endpoint) {
  const start = performance.now();
  const tunnel = await startSsh(endpoint);
  try {
    const client = await connectThrough(endpoint, tunnel);
    await client.query('SELECT 1');
    const seconds = (performance.now() - start) / 1000;
    await client.end();
    return seconds;
  } finally {
    await tunnel.close();
  }
}

/** From the start of an `ssh` process to the first answered query through it. */
export async function tunnel({ sizes, say, ours, peer }) {
  const gateway = await ours();
  const { endpoint: sshd } = await peer();
  // OpenSSH takes a post-quantum key exchange when both sides know it; this row leaves that out of the comparison.
  const classic = { ...sshd, name: 'classic', sshArgs: [...sshd.sshArgs, '-o', 'KexAlgorithms=curve25519-sha256'] };
  const variants = [gateway, sshd, classic];
  await interleave(1, variants, newTunnelSeconds);
  const values = await interleave(sizes.tunnels, variants, newTunnelSeconds);
  say(`  ${sizes.tunnels} tunnels each`);
  const row = { name: 'a new tunnel, to its first answer', unit: 's', time: true, ours: values.gateway };
  return {
    compared: [
      { ...row, peer: values.sshd, target: { atLeast: 1 } },
      { ...row, name: 'the same, both with the key exchange curve25519', peer: values.classic },
    ],
  };
}
