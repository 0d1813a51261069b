import { fill, pgbench } from '../pgbench.mjs';
import { describeRates, interleave } from '../statistics.mjs';
import { libpqEnvironment, openTunnel } from '../tunnel.mjs';

const initialized = new Set();

async function initialize({ endpoint, env }, scale, say) {
  if (initialized.has(endpoint.target)) return;
  say(`  filling the tables behind the ${endpoint.name}`);
  await fill(env, scale);
  initialized.add(endpoint.target);
}

/** The gateway, sshd as people run it, and sshd brought to set TCP_NODELAY by a session beside the forwarding. */
async function openSides({ ours, peer }) {
  const { endpoint } = await peer();
  const endpoints = [await ours(), endpoint, { ...endpoint, name: 'nodelay', subsystem: 'sftp' }];
  const sides = [];
  for (const side of endpoints) {
    const tunnel = await openTunnel(side);
    sides.push({ name: side.name, endpoint: side, tunnel, env: libpqEnvironment(side, tunnel) });
  }
  return sides;
}

/** Runs pgbench's select-only script with each of these options in turns through all tunnels. */
export async function measureSelects(context, cases) {
  const { sizes, say } = context;
  const sides = await openSides(context);
  const select = (env, options, seconds) => pgbench(env, ['-S', '-j', '1', '-T', String(seconds), ...options]);
  try {
    for (const side of sides.slice(0, 2)) await initialize(side, sizes.scale, say);
    const compared = [];
    for (const { name, options, target } of cases) {
      for (const { env } of sides) await pgbench(env, ['-S', '-j', '1', '-t', '10', ...options]); // warm
      const values = await interleave(sizes.rounds, sides, ({ env }) => select(env, options, sizes.seconds));
      say(`  ${name}: ${describeRates(values)}`);
      const row = { name, unit: '/s', ours: values.gateway };
      compared.push({ ...row, peer: values.sshd, target });
      compared.push({ ...row, name: `${name}, sshd with TCP_NODELAY`, peer: values.nodelay, aside: true });
    }
    return { compared };
  } finally {
    for (const { tunnel } of sides) await tunnel.close();
  }
}
