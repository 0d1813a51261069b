import { statSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { GatewayDirectory } from './support/gateway-directory.js';
import { GatewayProcess } from './support/gateway-process.js';
import { login } from './support/ssh-client.js';

let directory: GatewayDirectory;
let gateway: GatewayProcess;

beforeAll(async () => {
  directory = new GatewayDirectory();
  gateway = await GatewayProcess.start(directory.path);
});

afterAll(async () => {
  await gateway.destroy();
  directory.remove();
});

const asAlice = () => login(gateway.port, { privateKey: directory.alice.private });

test.each([
  ['no JSON', 'not json', 'is not JSON'],
  ['a missing member', '{"clusterId":"c1a2b3c4"}', 'is not valid at revision'],
])('a file with %s keeps the old configuration in force', async (_what, text, reason) => {
  directory.write(text);
  expect(await gateway.control({ op: 'reload' })).toMatchObject({ ok: false, error: expect.stringContaining(reason) });
  expect((await gateway.status()).revision).toBe(1);
  (await asAlice()).end();
});

test.each([
  ['an unusable host key', { sshHostKeys: ['secret nonsense'] }, 'sshHostKeys[0] is no OpenSSH private key'],
  ['a wrong range', { limits: { neverBan: ['10.0.0.0/99'] } }, "limits.neverBan has '10.0.0.0/99'"],
  ['another cluster', { clusterId: 'other123' }, 'This gateway serves c1a2b3c4, not other123.'],
  ['an older revision', { revision: 0 }, 'Revision 0 is older than 1'],
  ['another address', { listen: { host: '127.0.0.1', port: 1 } }, 'cannot change without a restart'],
])('a configuration with %s is refused whole', async (_what, change, reason) => {
  directory.write(JSON.stringify({ ...directory.config, revision: 2, tunnelUsers: [], ...change }));
  const answer = await gateway.control({ op: 'reload' });
  expect(answer).toMatchObject({ ok: false, error: expect.stringContaining(reason) });
  expect(JSON.stringify([answer, gateway.log])).not.toContain('secret nonsense');
  (await asAlice()).end();
});

test('commands are answered in order, and a bad one changes nothing', async () => {
  const answers = await gateway.controlRaw('{"op":"status"}\nnonsense\n{"op":"explode"}\n{"op":"status"}\n', 4);
  expect(answers.map((answer) => answer.ok)).toEqual([true, false, false, true]);
  expect(answers[1]?.error).toBe(
    'A command is one JSON object a line: status, reload, ask, hold, resume, close, hand-over or stop.',
  );
});

test('the control socket and the spool belong to their owner alone', () => {
  expect(statSync(path.join(directory.path, 'control.sock')).mode & 0o777).toBe(0o600);
  expect(statSync(path.join(directory.path, 'events')).mode & 0o777).toBe(0o700);
});
