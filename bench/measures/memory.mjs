import { setTimeout as sleep } from 'node:timers/promises';
import { clusterProcesses, proportionalMegabytes } from '../process-memory.mjs';
import { connectThrough, openTunnel, prepareSsh } from '../tunnel.mjs';

/** Its PostgreSQL takes more connections than a session test needs; the gateway is the same in every plan. */
const ROOMY_PLAN = 'borealis-pg:x1-s100-p2-r8';
/** Below a tunnel's limit of channels. */
const SESSIONS_PER_TUNNEL = 50;

/** Memory of idle clusters side by side, and what an idle session and an idle tunnel add to a gateway. */
export async function memory(context) {
  if (process.platform !== 'linux') throw new Error('Memory is measured on Linux only.');
  const clusters = await idleClusters(context);
  const growth = await gatewayGrowth(context);
  return { alone: [...clusters, ...growth] };
}

async function idleClusters({ sizes, say, installation }) {
  const running = await installation();
  while (running.untouched.length < sizes.clusters) await running.provision();
  await sleep(sizes.settleSeconds * 1000);
  const names = running.untouched;
  const parts = [];
  for (const name of names) {
    const { gateway, postgres } = await clusterProcesses(running.home, name);
    parts.push({ gateway: await proportionalMegabytes([gateway]), postgres: await proportionalMegabytes(postgres) });
  }
  const totals = parts.map(({ gateway, postgres }) => gateway + postgres);
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const detail = `gateway ${mean(parts.map((part) => part.gateway)).toFixed(1)}, PostgreSQL ${mean(parts.map((part) => part.postgres)).toFixed(1)}`;
  say(`  ${names.length} clusters: ${totals.map((total) => total.toFixed(0)).join(' ')} MB`);
  return [
    {
      name: `an idle cluster, mean of ${names.length} side by side`,
      value: mean(totals),
      unit: 'MB',
      target: { below: 70 },
      detail,
    },
    { name: 'the largest of them', value: Math.max(...totals), unit: 'MB', target: { below: 70 } },
  ];
}

async function gatewayGrowth({ sizes, say, cleanup, installation }) {
  const running = await installation();
  const database = await running.provision(ROOMY_PLAN);
  const { gateway } = await clusterProcesses(running.home, database.cluster);
  const endpoint = await prepareSsh(await running.endpoint(database), cleanup);
  const settled = async () => {
    await sleep(sizes.settleSeconds * 500);
    return proportionalMegabytes([gateway]);
  };
  await warm(endpoint);
  const idle = await settled();
  const tunnels = await openTunnels(endpoint, sizes.idleTunnels);
  const withTunnels = await settled();
  const clients = await openSessions(endpoint, tunnels, sizes.sessions);
  const withSessions = await settled();
  await Promise.all(clients.map((client) => client.end()));
  for (const tunnel of tunnels) await tunnel.close();
  say(`  gateway ${[idle, withTunnels, withSessions].map((value) => value.toFixed(1)).join(', ')} MB`);
  return [
    {
      name: 'of the gateway, each further idle session',
      value: (withSessions - withTunnels) / sizes.sessions,
      unit: 'MB',
      target: { below: 1 },
      detail: `${sizes.sessions} sessions`,
    },
    {
      name: 'of the gateway, each further idle tunnel',
      value: (withTunnels - idle) / sizes.idleTunnels,
      unit: 'MB',
      detail: `${sizes.idleTunnels} tunnels`,
    },
  ];
}

/** One session first: what the gateway loads once is no session's share. */
async function warm(endpoint) {
  const tunnel = await openTunnel(endpoint);
  const client = await connectThrough(endpoint, tunnel);
  await client.query('SELECT 1');
  await client.end();
  await tunnel.close();
}

async function openTunnels(endpoint, count) {
  const tunnels = [];
  while (tunnels.length < count) tunnels.push(await openTunnel(endpoint));
  return tunnels;
}

async function openSessions(endpoint, tunnels, count) {
  const clients = [];
  while (clients.length < count) {
    const client = await connectThrough(endpoint, tunnels[Math.floor(clients.length / SESSIONS_PER_TUNNEL)]);
    await client.query('SELECT 1');
    clients.push(client);
  }
  return clients;
}
