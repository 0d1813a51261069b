import { once } from 'node:events';
import { existsSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { GatewayDirectory } from './support/gateway-directory.js';
import { GatewayProcess, isGateway } from './support/gateway-process.js';
import { hasSsh, OpenSsh } from './support/openssh.js';
import { cut, echo, login } from './support/ssh-client.js';
import { waitFor } from './support/wait.js';

/** They take long. */
const fullTest = test.skipIf(process.env.BOREALIS_TEST !== 'full');

let directory: GatewayDirectory;
let gateway: GatewayProcess;

beforeEach(async () => {
  directory = new GatewayDirectory();
  gateway = await GatewayProcess.start(directory.path);
});

afterEach(async () => {
  await gateway.destroy();
  directory.remove();
});

const asAlice = () => login(gateway.port, { privateKey: directory.alice.private });
const asBob = () => login(gateway.port, { username: 'bob', privateKey: directory.bob.private });
const sockets = () => readdirSync(directory.path).filter((name) => name.endsWith('.sock'));

/** What the server says first, as every client sees it. */
async function greeting(): Promise<string> {
  const socket = net.connect(gateway.port, '127.0.0.1');
  try {
    const [first] = await Promise.race([once(socket, 'data'), once(socket, 'end').then(() => ['nothing'])]);
    return String(first).trim();
  } finally {
    socket.destroy();
  }
}

/** Does it again and again until `stop` is called, which gives how often; the first failure rejects. */
function repeat(work: () => Promise<unknown>): { count(): number; stop(): Promise<number> } {
  let [done, stopped] = [0, false];
  const running = (async () => {
    for (; !stopped; done++) await work();
  })();
  running.catch(() => {});
  const stop = () => {
    stopped = true;
    return running.then(() => done);
  };
  return { count: () => done, stop };
}

test('gateways follow one another with no connect refused and no tunnel broken', async () => {
  const kept = await asAlice();
  const loops = [
    repeat(async () => expect(await greeting()).toMatch(/^SSH-2\.0-/)),
    repeat(async () => {
      const client = await asBob();
      expect(await echo(client, 'through')).toBe('through');
      client.end();
      await once(client, 'close');
    }),
  ];
  const pids = [gateway.child.pid!];
  for (let turn = 0; turn < 3; turn++) {
    const before = loops.map((loop) => loop.count());
    pids.push(await gateway.handOver());
    await waitFor('connects after it', () => loops.every((loop, i) => loop.count() > before[i]! + 2));
    expect((await gateway.status()).pid).toBe(pids.at(-1));
  }
  await Promise.all(loops.map((loop) => loop.stop()));
  expect(await echo(kept, 'still here')).toBe('still here');
  expect(await gateway.status(pids[0])).toMatchObject({
    draining: { since: expect.any(String), until: expect.any(String) },
    tunnels: [expect.objectContaining({ username: 'alice' })],
  });
  expect((await gateway.status()).draining).toBeNull();
  // Those in between serve nobody any more, and so are gone.
  await waitFor('the others to end', () => pids.slice(1, -1).every((pid) => !isGateway(pid, directory.path)));
  kept.end();
  await gateway.ended();
  expect(gateway.exit).toEqual({ code: 0, signal: null });
  expect(sockets().sort()).toEqual([`${pids.at(-1)}.sock`, 'control.sock']);
  expect(readlinkSync(path.join(directory.path, 'control.sock'))).toBe(`${pids.at(-1)}.sock`);
});

test('a draining gateway runs by new configurations, and ends whom it is told to', async () => {
  const old = gateway.child.pid!;
  const [alice, bob, again] = [await asAlice(), await asBob(), await asBob()];
  await gateway.handOver();
  const late = await asBob();
  directory.change({ tunnelUsers: [directory.user('bob', [directory.bob])] });
  expect(await gateway.control({ op: 'reload' }, old)).toMatchObject({ ok: true, revision: 2 });
  await cut(alice);
  expect(await echo(again, 'still here')).toBe('still here');
  const close = { op: 'close', tunnelUsers: ['bob'], roles: [] };
  expect(await gateway.control(close, old)).toEqual({ ok: true, tunnelsClosed: 2 });
  await Promise.all([cut(bob), cut(again)]);
  expect(await echo(late, 'still here')).toBe('still here');
  late.end();
  await gateway.ended();
});

fullTest('a successor runs by what was in force when it took over, whatever it has read before (full)', async () => {
  const old = gateway.child.pid!;
  const kept = await asBob();
  let [inForce, taken] = [0, false];
  const taking = gateway.handOver().finally(() => {
    taken = true;
  });
  for (let turn = 0; !taken; turn++) {
    if (turn > 50) await sleep(500); // the new one is to catch up
    directory.change({ tunnelUsers: [directory.user('bob', [directory.bob])] });
    await gateway.control({ op: 'reload' }, old);
    const { draining, revision } = await gateway.status(old);
    if (draining === null) inForce = revision;
  }
  await taking;
  expect(inForce).toBeGreaterThan(1);
  expect((await gateway.status()).revision).toBeGreaterThanOrEqual(inForce);
  await expect(asAlice()).rejects.toThrow();
  kept.end();
});

test.skipIf(!hasSsh)(
  'a tunnel that outlives the time for draining is told why it ends (needs the ssh command)',
  async () => {
    const local = path.join(directory.path, 's');
    const client = new OpenSsh(directory, gateway.port, ['-N', '-L', `${local}:primary.test:5432`]);
    try {
      await client.ready(local);
      await gateway.handOver(0.5);
      await client.ended();
      expect(client.stderr).toContain('This server was upgraded and has waited long enough for this tunnel to end');
      await gateway.ended();
      expect(gateway.exit).toEqual({ code: 0, signal: null });
      expect(gateway.events().at(-1)).toMatchObject({ type: 'tunnel-destroyed', reason: 'drained' });
    } finally {
      await client.stop();
    }
  },
);

test('a successor that cannot start changes nothing', async () => {
  const kept = await asAlice();
  const broken = path.join(directory.path, 'broken.cjs');
  writeFileSync(broken, 'process.exit(3);');
  const order = { op: 'hand-over', node: process.execPath, script: broken, drainSeconds: 60 };
  const refusal = { ok: false, error: expect.stringContaining('this one goes on') };
  expect(await gateway.control(order)).toMatchObject(refusal);
  expect(await gateway.control({ ...order, node: '/nonexistent/node' })).toMatchObject(refusal);
  directory.write('{');
  await expect(gateway.handOver()).rejects.toThrow('ends at its start');
  directory.write();
  expect(await gateway.status()).toMatchObject({ pid: gateway.child.pid, draining: null });
  (await asBob()).end();
  expect(await echo(kept, 'still here')).toBe('still here');
  expect(await gateway.handOver()).toBe((await gateway.status()).pid);
  kept.end();
});

test("a hold and a hand-over keep out of each other's way, and each is possible again after the other", async () => {
  const kept = await asAlice();
  const hold = { op: 'hold', seconds: 1, late: 'abort' };
  const [slow, started, go] = ['slow.cjs', 'started', 'go'].map((name) => path.join(directory.path, name)) as [
    string,
    string,
    string,
  ];
  // One that takes its time, and then cannot.
  writeFileSync(
    slow,
    `const fs = require('node:fs'); fs.writeFileSync(${JSON.stringify(started)}, '');
      setInterval(() => fs.existsSync(${JSON.stringify(go)}) && process.exit(3), 20)`,
  );
  const handingOver = gateway.control({ op: 'hand-over', node: process.execPath, script: slow, drainSeconds: 60 });
  await waitFor('the other one to start', () => existsSync(started));
  expect(await gateway.control(hold)).toMatchObject({ ok: false, error: expect.stringContaining('just taking over') });
  writeFileSync(go, '');
  expect(await handingOver).toMatchObject({ ok: false, error: expect.stringContaining('this one goes on') });

  expect(await gateway.control(hold)).toMatchObject({ ok: true });
  await expect(gateway.handOver()).rejects.toThrow('Sessions are held');
  await gateway.control({ op: 'resume' });
  const old = gateway.child.pid!;
  await gateway.handOver();
  expect(await gateway.control(hold, old)).toMatchObject({ ok: true });
  expect(await gateway.control({ op: 'resume' }, old)).toMatchObject({ ok: true });
  expect(await echo(kept, 'still here')).toBe('still here');
  kept.end();
  await gateway.ended();
});

fullTest('one that was killed after it took over leaves nothing in the way (full)', async () => {
  const next = await gateway.handOver();
  await gateway.ended();
  process.kill(next, 'SIGKILL');
  await waitFor('its end', () => !isGateway(next, directory.path));
  const third = await GatewayProcess.start(directory.path);
  try {
    expect(third.exit).toBeUndefined();
    expect(sockets().sort()).toEqual([`${third.child.pid}.sock`, 'control.sock']);
  } finally {
    await third.destroy();
  }
});
