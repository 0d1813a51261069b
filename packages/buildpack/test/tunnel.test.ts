import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ASK, attachment, executed, onCleanUp, slug, sourced, tunnels, until } from './support/dyno.js';
import { processesIn, sendTerm } from './support/processes.js';
import { SshServer } from './support/ssh-server.js';

async function server(name: string): Promise<SshServer> {
  const started = await new SshServer(name).listen();
  onCleanUp(() => started.close());
  return started;
}

test('the tunnel is open before the app starts, to both hosts, and is gone after it', async () => {
  const gateway = await server('one');
  const { config, writerPort, readerPort } = await attachment('DATABASE', gateway);
  const dyno = sourced(slug(), `${ASK}; ask ${writerPort}; ask ${readerPort}`, config);
  expect(await dyno.ended).toBe(0);
  expect(dyno.stdout()).toBe('one primary.one.internal:5432 hello\none replica.one.internal:5432 hello\n');
  expect(dyno.stderr()).toContain(`The tunnel of DATABASE is open on 127.0.0.1, port ${writerPort} and ${readerPort}.`);
  await until(() => gateway.open === 0, 'closed');
});

test('executed before the app, as in a Dockerfile, it needs no exports', async () => {
  const gateway = await server('one');
  const { config, writerPort } = await attachment('DATABASE', gateway);
  const dyno = executed(slug(), `${ASK}; ask ${writerPort}`, config);
  expect(await dyno.ended).toBe(0);
  expect(dyno.stdout()).toBe('one primary.one.internal:5432 hello\n');
  await until(() => gateway.open === 0, 'closed');
});

test('an ssh that is killed is replaced, and so is one whose connection drops', async () => {
  const gateway = await server('one');
  const { config, writerPort } = await attachment('DATABASE', gateway);
  const home = slug();
  const dyno = sourced(
    home,
    `${ASK}; while :; do case $(ask ${writerPort}) in *hello) echo ok;; *) echo no;; esac; sleep 0.1; done`,
    config,
  );
  await until(() => dyno.stdout().includes('ok'), 'first answer');
  const ssh = processesIn(tunnels(home)[0]!).find((process) => process.command === 'ssh');
  process.kill(ssh!.pid, 'SIGKILL');
  await until(() => gateway.logins === 2, 'logged in again');
  gateway.drop();
  await until(() => gateway.logins === 3, 'logged in once more');
  const before = dyno.stdout().length;
  await until(() => dyno.stdout().slice(before).includes('ok'), 'answers again');
  expect(dyno.stderr()).toContain('The tunnel of DATABASE is closed');
});

test('several add-ons get a tunnel each; one attached twice gets one', async () => {
  const gateways = [await server('one'), await server('two')] as const;
  const first = await attachment('DATABASE', gateways[0]);
  const second = await attachment('BOREALIS_PG_RED', gateways[1]);
  const again = Object.fromEntries(
    Object.entries(first.config).map(([name, value]) => [name.replace('DATABASE', 'COPY'), value]),
  );
  const home = slug();
  const dyno = sourced(home, `${ASK}; ask ${first.writerPort}; ask ${second.writerPort}; sleep 600`, {
    ...first.config,
    ...second.config,
    ...again,
  });
  await until(() => dyno.stdout().split('\n').length === 3, 'both answers');
  expect(dyno.stdout()).toBe('one primary.one.internal:5432 hello\ntwo primary.two.internal:5432 hello\n');
  expect(tunnels(home)).toHaveLength(2);
  expect(gateways.map((gateway) => gateway.logins)).toEqual([1, 1]);
});

test('the legacy name of the config var works, and so does a single port', async () => {
  const gateway = await server('one');
  const { config, writerPort } = await attachment('DATABASE', gateway);
  const { DATABASE_URL, DATABASE_TUNNEL_BPG_CONN_INFO: info } = config;
  const dyno = sourced(slug(), `${ASK}; ask ${writerPort}`, {
    DATABASE_URL: DATABASE_URL!,
    DATABASE_SSH_TUNNEL_BPG_CONNECTION_INFO: info!,
  });
  expect(await dyno.ended).toBe(0);
  expect(dyno.stdout()).toBe('one primary.one.internal:5432 hello\n');
});

test.each([['sourced', sourced] as const, ['executed', executed] as const])(
  'SIGTERM to the whole dyno leaves the tunnel open until the app has exited (%s)',
  async (_form, start) => {
    const gateway = await server('one');
    const { config, writerPort } = await attachment('DATABASE', gateway);
    const home = slug();
    // Takes its time to finish the last request, which needs the database.
    const app = `${ASK}; trap "sleep 2; ask ${writerPort}; exit 7" TERM; echo ready; while :; do sleep 0.1; done`;
    const dyno = start(home, app, config);
    await until(() => dyno.stdout().includes('ready'), 'ready');
    const outside = processesIn(tunnels(home)[0]!).map((process) => process.pid);
    expect(outside.length).toBeGreaterThanOrEqual(2);
    process.kill(-dyno.process.pid!, 'SIGTERM');
    sendTerm(outside);
    await until(() => dyno.stdout().includes('hello'), `an answer after SIGTERM:\n${dyno.stderr()}`);
    expect(dyno.stdout()).toBe('ready\none primary.one.internal:5432 hello\n');
    await until(() => gateway.open === 0, 'closed');
    expect(gateway.logins).toBe(1);
    await until(() => outside.every((pid) => !processesIn(home).some((process) => process.pid === pid)), 'gone');
  },
);

test('a second dyno on the same machine shares the port and takes over when the first one ends', async () => {
  const gateway = await server('one');
  const { config, writerPort } = await attachment('DATABASE', gateway);
  const home = slug();
  const first = sourced(home, 'sleep 600', config);
  await until(() => gateway.logins === 1, 'first');
  const second = sourced(home, `${ASK}; ask ${writerPort}; sleep 600`, config);
  await until(() => second.stdout().includes('hello'), 'through the first one');
  expect(second.stderr()).toContain('its local port is in use');
  const logins = gateway.logins;
  process.kill(-first.process.pid!, 'SIGKILL');
  await first.ended;
  await until(() => gateway.logins > logins && gateway.open === 1, 'taken over');
});

test('no secret is in an argument, in the output, or readable for others', async () => {
  const gateway = await server('one');
  const { config } = await attachment('DATABASE', gateway);
  const home = slug();
  const dyno = sourced(home, 'sleep 600', config);
  await until(() => gateway.logins === 1, 'open');
  const secrets = ['secret-password', ...gateway.clientKey.private.split('\n').filter((line) => line.length > 20)];
  const seen = execFileSync('ps', ['-eww', '-o', 'args'], { encoding: 'utf8' }) + dyno.stdout() + dyno.stderr();
  expect(seen).toContain('-F config -N tunnel');
  for (const secret of secrets) expect(seen).not.toContain(secret);
  const [directory] = tunnels(home);
  expect(statSync(directory!).mode & 0o777).toBe(0o700);
  expect(statSync(join(directory!, 'key')).mode & 0o777).toBe(0o600);
});

test('a server with another host key is refused', async () => {
  const [gateway, impostor] = [await server('one'), await server('two')];
  const { config, writerPort } = await attachment('DATABASE', gateway, { SSH_PORT: String(impostor.port) });
  const home = slug();
  const dyno = sourced(home, `${ASK}; ask ${writerPort}`, config);
  await until(() => dyno.stderr().includes('trying again'), 'told');
  expect(dyno.stderr()).toContain('Host key verification failed');
  expect(impostor.logins + impostor.refused).toBe(0);
  expect(dyno.stdout()).toBe('');
  process.kill(-dyno.process.pid!, 'SIGKILL');
});

test('a key that is refused is tried again with growing pauses, told once, and the app starts all the same', async () => {
  const gateway = await server('one');
  gateway.acceptKeys = false;
  const { config, writerPort } = await attachment('DATABASE', gateway);
  const dyno = sourced(slug(), `${ASK}; ask ${writerPort}; sleep 600`, {
    ...config,
    BOREALIS_PG_TUNNEL_WAIT_SECONDS: '3',
  });
  await until(() => dyno.stdout().includes('refused'), 'the app has started');
  expect(dyno.stderr()).toContain('is not open after 3 seconds');
  // Pauses of 0.2, 0.5, 1, 2, 5, … seconds; however slow the machine, there cannot be more.
  expect(gateway.refused).toBeLessThanOrEqual(6);
  await until(() => gateway.refused >= 3, 'tried again and again');
  expect(dyno.stderr().match(/Permission denied/g)).toHaveLength(1);
  gateway.acceptKeys = true;
  await until(() => gateway.logins === 1, 'let in at last');
});
