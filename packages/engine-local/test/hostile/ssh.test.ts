import { once } from 'node:events';
import { createConnection } from 'node:net';
import { clusterHosts } from '@borealis/contract';
import ssh2 from 'ssh2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sshKey } from '../../../../test/support/ssh-key.js';
import { GENEROUS } from '../support/home.js';
import { codeOf, MAJORS, SharedCluster } from './tenants.js';

describe.each(MAJORS)('a hostile tenant of PostgreSQL %s, by SSH', (major) => {
  let cluster: SharedCluster;

  beforeAll(async () => {
    cluster = await SharedCluster.start(major);
  }, GENEROUS);
  afterAll(() => cluster?.stop(), GENEROUS);

  /** An SSH connection of the hostile tenant, without any of the usual manners. */
  async function connect(): Promise<ssh2.Client> {
    const client = new ssh2.Client();
    client.on('error', () => undefined);
    const { host, port } = cluster.gateway;
    const { username, key } = cluster.hostile;
    client.connect({ host, port, username, privateKey: key.private, readyTimeout: 60_000 });
    await once(client, 'ready');
    return client;
  }

  /** What a request on the connection comes to: `opened`, or `refused`, also when the connection ends instead. */
  function outcome(client: ssh2.Client, ask: (done: (error?: Error | null) => void) => void): Promise<string> {
    return new Promise((resolve) => {
      client.once('close', () => resolve('refused'));
      ask((error) => resolve(error ? 'refused' : 'opened'));
    });
  }

  const attack = (name: string, run: () => Promise<void>) =>
    test(
      name,
      async () => {
        await run();
        await cluster.checkVictim();
      },
      GENEROUS,
    );

  attack('comes in by no name and key but its own', async () => {
    const { hostile, victim } = cluster;
    const pairs: [string, string][] = [
      [victim.username, hostile.key.private],
      [hostile.username, victim.key.private],
      ['root', hostile.key.private],
      ['borealis', hostile.key.private],
      [hostile.username, sshKey().private],
    ];
    for (const [username, key] of pairs)
      expect(await codeOf(cluster.openTunnel(username, key)), username).not.toBe('accepted');
  });

  attack('reaches nothing but its own PostgreSQL', async () => {
    const { primary } = clusterHosts('shared1');
    const targets: [string, number][] = [
      ['127.0.0.1', 5432],
      ['localhost', 22],
      [cluster.gateway.host, cluster.gateway.port],
      [primary, 22],
      ['primary.other.borealis.internal', 5432],
      ['169.254.169.254', 80],
      ['::1', 5432],
      ['/', 0],
    ];
    for (const [host, port] of targets) {
      const client = await connect();
      const found = await outcome(client, (done) =>
        client.forwardOut('127.0.0.1', 0, host, port, (error) => done(error)),
      );
      expect(found, host).toBe('refused');
      client.destroy();
    }
  });

  attack('gets no shell, command, subsystem or port', async () => {
    const asks: ((client: ssh2.Client, done: (error?: Error | null) => void) => void)[] = [
      (client, done) => client.shell((error) => done(error)),
      (client, done) => client.exec('id', (error) => done(error)),
      (client, done) => client.sftp((error) => done(error)),
      (client, done) => client.subsys('netconf', (error) => done(error)),
      (client, done) => client.forwardIn('0.0.0.0', 0, (error) => done(error)),
      (client, done) => client.openssh_forwardOutStreamLocal('/var/run/docker.sock', (error) => done(error)),
      (client, done) => client.openssh_forwardInStreamLocal('/tmp/x.sock', (error) => done(error)),
    ];
    for (const ask of asks) {
      const client = await connect();
      expect(await outcome(client, (done) => ask(client, done)), String(ask)).toBe('refused');
      client.destroy();
    }
  });

  attack('cancels no query of another, not even with the right number and key', async () => {
    const session = (await cluster.session(cluster.victim, 'app_rw')) as unknown as {
      processID: number;
      secretKey: number;
      query(sql: string): Promise<unknown>;
      end(): Promise<void>;
    };
    const sleeping = session.query('select pg_sleep(3)');
    const tunnel = await cluster.openTunnel(cluster.hostile.username, cluster.hostile.key.private);
    const request = Buffer.alloc(16);
    request.writeInt32BE(16, 0);
    request.writeInt32BE(80_877_102, 4);
    request.writeInt32BE(session.processID, 8);
    request.writeInt32BE(session.secretKey, 12);
    for (let tries = 0; tries < 5; tries++) {
      const socket = createConnection(tunnel.port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.end(request);
      await once(socket, 'close');
    }
    await sleeping;
    await session.end();
    tunnel.close();
  });

  attack('keeps nobody out with channels, tunnels and silence', async () => {
    const clients = await Promise.all(Array.from({ length: 20 }, connect));
    const { primary, port } = clusterHosts('shared1');
    for (const client of clients)
      for (let channels = 0; channels < 32; channels++)
        client.forwardOut('127.0.0.1', 0, primary, port, (_error, channel) => channel?.on('error', () => undefined));
    for (let looks = 0; looks < 5; looks++) await cluster.checkVictim();
    for (const client of clients) client.destroy();
  });
});
