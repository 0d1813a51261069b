import { once } from 'node:events';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Channel, type ChannelCarrier } from '../src/ssh/channel.js';

/** A carrier that records what is sent, and can be blocked. */
class Recorder implements ChannelCarrier {
  blocked = false;
  sent: Buffer[] = [];
  adjusted = 0;
  eofs = 0;
  closes = 0;
  waiting: Channel | undefined;
  canSend = () => !this.blocked;
  sendData = (_remote: number, data: Buffer) => void this.sent.push(Buffer.from(data));
  sendWindowAdjust = (_remote: number, amount: number) => {
    this.adjusted += amount;
  };
  sendEof = () => void this.eofs++;
  sendClose = () => void this.closes++;
  waitToSend = (channel: Channel) => {
    this.waiting = channel;
  };
  closed = () => {};
}

const WINDOW = 65_536;

function make(sendWindow = WINDOW, maxPacket = 32_768): { carrier: Recorder; channel: Channel } {
  const carrier = new Recorder();
  const numbers = { local: 0, remote: 0, sendWindow, maxPacket, receiveWindow: WINDOW };
  return { carrier, channel: new Channel(carrier, numbers) };
}

test('whatever the sizes, bytes arrive in order and never more than the window is held', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 5000 }), { maxLength: 60 }),
      fc.nat(40),
      async (sizes, pauseAt) => {
        const { carrier, channel } = make();
        const [sent, got] = [[] as Buffer[], [] as Buffer[]];
        channel.on('data', (data: Buffer) => got.push(data));
        let total = 0;
        for (const [turn, size] of sizes.entries()) {
          if (turn === pauseAt) channel.pause();
          const data = Buffer.alloc(size, turn);
          const allowed = total + size <= WINDOW + carrier.adjusted;
          expect(channel.receive(data)).toBe(allowed);
          if (!allowed) {
            channel.destroy();
            return;
          }
          total += size;
          sent.push(data);
          if (turn % 7 === 0) await new Promise(setImmediate);
        }
        channel.receiveEof();
        channel.resume();
        await once(channel, 'end');
        expect(Buffer.concat(got).equals(Buffer.concat(sent))).toBe(true);
        channel.destroy();
      },
    ),
    { numRuns: 60 },
  );
});

test('a window cut into one-byte messages is held in a few dense blocks', async () => {
  const { channel } = make();
  const byte = Buffer.from('x');
  for (let i = 0; i < WINDOW; i++) channel.receive(byte);
  expect(channel.receive(byte)).toBe(false);
  let pieces = 0;
  channel.on('data', () => pieces++);
  channel.receiveEof();
  await once(channel, 'end');
  expect(pieces).toBeLessThan(10);
});

test('writes keep to the window and the packet size of the peer', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1024, max: 32_768 }),
      fc.integer({ min: 0, max: 40_000 }),
      fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 10 }),
      async (maxPacket, window, sizes) => {
        const { carrier, channel } = make(window, maxPacket);
        for (const size of sizes) channel.write(Buffer.alloc(size, size % 251));
        await new Promise(setImmediate);
        const sum = () => carrier.sent.reduce((bytes, data) => bytes + data.length, 0);
        expect(sum()).toBeLessThanOrEqual(window);
        channel.widen(1_000_000);
        await new Promise(setImmediate);
        const expected = Buffer.concat(sizes.map((size) => Buffer.alloc(size, size % 251)));
        expect(Buffer.concat(carrier.sent).equals(expected)).toBe(true);
        expect(Math.max(...carrier.sent.map((data) => data.length))).toBeLessThanOrEqual(maxPacket);
        channel.destroy();
      },
    ),
    { numRuns: 60 },
  );
});

test('a blocked carrier holds writes back until it asks for them', async () => {
  const { carrier, channel } = make();
  carrier.blocked = true;
  channel.write('later');
  expect(carrier.sent).toHaveLength(0);
  carrier.blocked = false;
  carrier.waiting?.pump();
  expect(Buffer.concat(carrier.sent).toString()).toBe('later');
});

test('a window that would pass 2^32-1 is refused', () => {
  const { channel } = make(2 ** 32 - 2);
  expect(channel.widen(1)).toBe(true);
  expect(channel.widen(1)).toBe(false);
});

test("the peer's CLOSE is answered once, and what came before it can still be read", async () => {
  const { carrier, channel } = make();
  channel.receive(Buffer.from('last words'));
  channel.receiveClose();
  expect(carrier.closes).toBe(1);
  expect(channel.read()?.toString()).toBe('last words');
  channel.resume();
  await once(channel, 'close');
  expect(carrier.closes).toBe(1);
});

test('destroying a channel says CLOSE once; ending it says EOF first', async () => {
  const first = make();
  first.channel.destroy();
  expect(first.carrier).toMatchObject({ eofs: 0, closes: 1 });
  const second = make();
  second.channel.resume();
  second.channel.end('bye');
  second.channel.receiveEof();
  await once(second.channel, 'close');
  expect(second.carrier).toMatchObject({ eofs: 1, closes: 1 });
});
