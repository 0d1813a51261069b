import { once } from 'node:events';
import net, { type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { Victim } from './support/hostile.js';
import { hasSsh, OpenSsh } from './support/openssh.js';
import { login } from './support/ssh-client.js';
import { waitFor } from './support/wait.js';

const isFull = process.env.BOREALIS_TEST === 'full';
/** They take long. */
const fullTest = test.skipIf(!isFull);

const victim = new Victim({
  // Those who are served have to log in within it, too, on a busy machine.
  loginGraceSeconds: 6,
  unauthenticatedConnections: 150,
  keepaliveSeconds: 1,
  keepaliveMisses: 2,
});

async function connect(allowHalfOpen = false): Promise<Socket> {
  const socket = net.connect({ port: victim.port, host: '127.0.0.1', allowHalfOpen });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

fullTest('clients that dribble, stop after their ident or never close are all gone after the grace time', async () => {
  const dribblers = await Promise.all(Array.from({ length: 60 }, () => connect()));
  const dribble = setInterval(() => {
    for (const socket of dribblers) if (socket.writable) socket.write('S');
  }, 200);
  const stuck = await Promise.all(Array.from({ length: 40 }, () => connect()));
  for (const socket of stuck) socket.write('SSH-2.0-OpenSSH_9.2p1\r\n');
  const halfOpen = await Promise.all(Array.from({ length: 40 }, () => connect(true)));
  for (const socket of halfOpen) socket.write('SSH-2.0-other\r\n');
  for (const socket of [...stuck, ...halfOpen]) socket.resume();
  await waitFor('all of them to be counted', async () => (await victim.gateway.counter('cut_login-grace')) >= 140);
  clearInterval(dribble);
  for (const socket of [...dribblers, ...stuck, ...halfOpen]) socket.destroy();
  await victim.servesOthers();
});

fullTest('beyond the limit of connections that have not logged in, new ones are dropped', async () => {
  const sockets = await Promise.all(Array.from({ length: 170 }, () => connect()));
  await waitFor('the refusals', async () => (await victim.gateway.counter('refused-global')) >= 20);
  await waitFor('the grace time', () => sockets.filter((socket) => socket.resume().closed).length === 170);
  await victim.servesOthers();
});

test.skipIf(!isFull || !hasSsh)('a dead peer is dropped (needs the ssh command)', async () => {
  const client = new OpenSsh(victim.directory, victim.port, [
    '-N',
    '-L',
    `${victim.directory.path}/d:primary.test:5432`,
  ]);
  await client.ready(`${victim.directory.path}/d`);
  client.child.kill('SIGSTOP');
  await waitFor('the drop', async () => (await victim.gateway.status()).tunnels.length === 0);
  client.child.kill('SIGCONT');
  await client.stop();
  const last = victim.gateway.events().at(-1);
  expect(last).toMatchObject({ type: 'tunnel-destroyed', reason: 'peer-dead', username: 'alice' });
});

fullTest('an honest peer that is idle is kept', async () => {
  const client = await login(victim.port, { privateKey: victim.directory.alice.private });
  const pings = await waitFor('some keepalives', async () => {
    await new Promise((resolve) => setTimeout(resolve, 3500));
    return victim.gateway.status();
  });
  expect(pings.tunnels).toHaveLength(1);
  client.end();
});
