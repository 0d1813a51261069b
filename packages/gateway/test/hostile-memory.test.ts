import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ALLOWED_MIB, Victim } from './support/hostile.js';
import { cut, type RawClient, rawChannel } from './support/ssh-client.js';
import { waitFor } from './support/wait.js';

/** They take long. */
const fullTest = test.skipIf(process.env.BOREALIS_TEST !== 'full');

const victim = new Victim();
const HUGE_WINDOW = 2 ** 31;
/** Long enough to move hundreds of megabytes through an unguarded server. */
const ATTACK_MS = 2500;

/** Repeats `send` until the time is over or the connection is cut, without filling this process's own memory. */
async function keepSending(client: RawClient, send: () => void): Promise<void> {
  const end = Date.now() + ATTACK_MS;
  while (Date.now() < end && !client._sock.destroyed && client._sock.writable) {
    for (let i = 0; i < 200 && client._sock.writable; i++) send();
    if (client._sock.writableLength > 1_000_000) await Promise.race([once(client._sock, 'drain'), sleep(100)]);
    else await sleep(0);
  }
}

fullTest('a peer that grants 2 GiB and stops reading costs no memory', async () => {
  const client = await victim.login();
  const channel = await rawChannel(client, 0, HUGE_WINDOW, 32_768);
  const growth = await victim.growth(async () => {
    client._protocol.channelData(channel, Buffer.from('FLOOD'));
    client._sock.pause();
    await sleep(ATTACK_MS);
  });
  expect(growth).toBeLessThan(ALLOWED_MIB);
  await victim.servesOthers();
  client._sock.destroy();
});

fullTest('a peer that sends beyond its window is cut at once', async () => {
  const client = await victim.login();
  const channel = await rawChannel(client, 0, 65_536, 32_768);
  client._protocol.channelData(channel, Buffer.from('STALL'));
  const block = Buffer.alloc(32_000);
  const growth = await victim.growth(() => keepSending(client, () => client._protocol.channelData(channel, block)));
  await cut(client);
  expect(growth).toBeLessThan(ALLOWED_MIB);
  expect(await victim.gateway.counter('cut_window-violated')).toBe(1);
});

fullTest('a peer that begins a key exchange and falls silent while we stream costs no memory', async () => {
  const client = await victim.login();
  const channel = await rawChannel(client, 0, HUGE_WINDOW, 32_768);
  const growth = await victim.growth(async () => {
    client._protocol.channelData(channel, Buffer.from('FLOOD'));
    client._protocol.rekey();
    client._protocol.parse = () => {}; // reads, and never answers
    await sleep(ATTACK_MS);
  });
  expect(growth).toBeLessThan(ALLOWED_MIB);
  await victim.servesOthers();
  client._sock.destroy();
});

fullTest(
  'a peer that asks for replies and never reads them is not read from any more',
  async () => {
    const client = await victim.login();
    client._sock.pause();
    const stalled = async () => {
      for (let i = 0; i < 5000; i++) client._protocol.ping();
      if (client._sock.writableLength < 1_000_000) return false;
      return Promise.race([once(client._sock, 'drain').then(() => false), sleep(2000).then(() => true)]);
    };
    const growth = await victim.growth(
      async () => void (await waitFor('the gateway to stop reading', stalled, 100_000)),
    );
    expect(growth).toBeLessThan(ALLOWED_MIB);
    await victim.servesOthers();
    client._sock.destroy();
  },
  120_000,
);

fullTest('ten thousand channels: 64 are opened, and the peer is cut', async () => {
  const client = await victim.login();
  let opened = 0;
  const handlers = client._protocol._handlers as unknown as Record<string, () => void>;
  handlers.CHANNEL_OPEN_CONFIRMATION = () => {
    opened++;
  };
  const target = { dstIP: 'primary.test', dstPort: 5432, srcIP: '127.0.0.1', srcPort: 1 };
  let number = 0;
  const growth = await victim.growth(() =>
    keepSending(client, () => number < 10_000 && client._protocol.directTcpip(number++, HUGE_WINDOW, 32_768, target)),
  );
  await cut(client);
  expect(opened).toBe(64);
  expect(growth).toBeLessThan(ALLOWED_MIB);
  expect(await victim.gateway.counter('cut_refused-opens')).toBe(1);
});
