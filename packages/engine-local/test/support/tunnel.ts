import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { clusterHosts } from '@borealis/contract';
import type { GatewayEndpoint } from '@borealis/engine';
import type { Clients } from '@borealis/engine/conformance';
import pg from 'pg';
import ssh2 from 'ssh2';
import { sshKey } from '../../../../test/support/ssh-key.js';

/** One SSH connection to a gateway with a local port in front, as a client's own tunnel has it. */
export interface OpenTunnel {
  port: number;
  closed: Promise<void>;
  close(): void;
}

/** Opens the tunnel; the gateway's host key must be the one that the engine told. */
export async function openTunnel(
  clusterId: string,
  gateway: GatewayEndpoint,
  username: string,
  privateKey: string,
): Promise<OpenTunnel> {
  const ssh = new ssh2.Client();
  const closed = new Promise<void>((resolve) => ssh.once('close', () => resolve()));
  const hostVerifier = (key: Buffer) => key.toString('base64') === gateway.hostKey.split(' ')[1];
  const { host, port } = gateway;
  ssh.connect({ host, port, username, privateKey, hostVerifier, readyTimeout: 60_000 });
  await once(ssh, 'ready');
  ssh.on('error', () => undefined);
  const target = clusterHosts(clusterId);
  const server = createServer((socket) => {
    ssh.forwardOut('127.0.0.1', 0, target.primary, target.port, (error, channel) => {
      if (error) return socket.destroy();
      socket.on('error', () => channel.destroy());
      channel.on('error', () => socket.destroy());
      socket.pipe(channel).pipe(socket);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () => {
    server.close();
    ssh.destroy();
  };
  return { port: (server.address() as AddressInfo).port, closed, close };
}

/** The suite's clients: ssh2 and pg. */
export const clients: Clients = {
  makeKey: sshKey,
  async enter({ id, gateway }, { tunnelUser, key, role: user, password, database }) {
    const tunnel = await openTunnel(id, gateway!, tunnelUser, key.private);
    const who = { user, password, database, host: '127.0.0.1', port: tunnel.port };
    const client = new pg.Client({ ...who, ssl: { rejectUnauthorized: false } });
    client.on('error', () => undefined);
    try {
      await client.connect();
    } catch (error) {
      tunnel.close();
      throw error;
    }
    return {
      ask: () => client.query('select 1').then(() => undefined),
      leave: () => client.end().finally(tunnel.close),
    };
  },
};

/** One query through a tunnel, with TLS verified against the engine's own authority. */
export async function queryThrough(
  tunnel: OpenTunnel,
  ca: string,
  who: { user: string; password: string; database: string },
  sql: string,
): Promise<unknown[]> {
  const client = new pg.Client({ ...who, host: '127.0.0.1', port: tunnel.port, ssl: { ca } });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}
