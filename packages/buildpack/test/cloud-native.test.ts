import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ASK, attachment, onCleanUp, PACKAGE, slug, until } from './support/dyno.js';
import { build, image, launched, PYTHON } from './support/image.js';
import { processesIn, sendTerm } from './support/processes.js';
import { SshServer } from './support/ssh-server.js';

const CA = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
const FORBIDDEN = '/proc/no-home-here';

async function server(): Promise<SshServer> {
  const started = await new SshServer('one').listen();
  onCleanUp(() => started.close());
  return started;
}

const files = (directory: string) =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(directory, name)).isFile())
    .sort();

test('build makes one launch layer: an exec.d program and the scripts of the classic buildpack', () => {
  const built = image();
  expect(built.output).toContain('adding the secure tunnel');
  const expected = [
    'tunnel.toml',
    'tunnel/exec.d/open-tunnel',
    'tunnel/scripts/borealis-pg-init-secure-tunnel.sh',
    'tunnel/scripts/server-shutdown-wait.sh',
  ];
  expect(files(built.layers)).toEqual(expected);
  expect(readFileSync(join(built.layers, 'tunnel.toml'), 'utf8')).toBe('[types]\nlaunch = true\n');
  for (const file of expected.slice(1)) expect(statSync(join(built.layers, file)).mode & 0o777, file).toBe(0o755);
  const classic = slug();
  const [, , script, helper] = expected.map((name) => readFileSync(join(built.layers, name), 'utf8'));
  expect(script).toBe(readFileSync(join(classic, '.profile.d/borealis-pg-init-secure-tunnel.sh'), 'utf8'));
  expect(helper).toBe(readFileSync(join(classic, '.borealis-pg/server-shutdown-wait.sh'), 'utf8'));
  expect(readdirSync(built.app)).toEqual([]);

  build(built, join(built.layers, '../platform'), join(built.layers, '../plan.toml'));
  expect(files(built.layers)).toEqual(expected);
});

test('buildpack.toml names an API, an id and a version, and takes every base image', () => {
  const toml = readFileSync(join(PACKAGE, 'buildpack.toml'), 'utf8');
  expect(toml).toMatch(/^api = "0\.10"$/m);
  expect(toml).toMatch(/^\[buildpack\]\nid = "borealis\/postgres-tunnel"\nversion = "\d+\.\d+\.\d+"$/m);
  expect(toml).toMatch(/^\[\[stacks\]\]\nid = "\*"$/m);
});

describe.skipIf(!PYTHON)('launched by what plays the image’s launcher (needs Python 3.11)', () => {
  test('the tunnel is open before the app starts, outlives the exec.d program, and is gone after the app', async () => {
    const gateway = await server();
    const { config, writerPort } = await attachment('DATABASE', gateway, { POSTGRES_CA_CERTIFICATE: CA });
    const built = image();
    const app = `${ASK}; ask ${writerPort}; echo "$PGSSLROOTCERT $NODE_EXTRA_CA_CERTS $DATABASE_URL"; sleep 2; ask ${writerPort}`;
    const dyno = launched(built, ['bash', '-c', app], config);
    expect(await dyno.ended, dyno.stderr()).toBe(0);
    const file = join(built.app, '.borealis-pg/ca.pem');
    const answer = 'one primary.one.internal:5432 hello\n';
    expect(dyno.stdout()).toBe(`${answer}${file} ${file} ${config.DATABASE_URL}\n${answer}`);
    expect(gateway.logins).toBe(1);
    await until(() => gateway.open === 0, 'closed');
  });

  test('SIGTERM to the whole container leaves the tunnel open until the app has exited', async () => {
    const gateway = await server();
    const { config, writerPort } = await attachment('DATABASE', gateway);
    const built = image();
    const app = `${ASK}; trap "sleep 2; ask ${writerPort}; exit 7" TERM; echo ready; while :; do sleep 0.1; done`;
    const dyno = launched(built, ['bash', '-c', app], config);
    await until(() => dyno.stdout().includes('ready'), 'ready');
    const [directory] = readdirSync(join(built.app, '.borealis-pg')).filter((name) => name.startsWith('tunnel.'));
    const outside = processesIn(join(built.app, '.borealis-pg', directory!)).map(({ pid }) => pid);
    process.kill(-dyno.process.pid!, 'SIGTERM');
    sendTerm(outside);
    expect(await dyno.ended).toBe(7);
    expect(dyno.stdout()).toBe('ready\none primary.one.internal:5432 hello\n');
    await until(() => gateway.open === 0, 'closed');
  });

  test('a URL that has to change arrives as it is, whatever is in it', async () => {
    const { config } = await attachment('DATABASE', await server(), {}, 'no-such-host.invalid');
    const odd = (text: string) => text.replace('secret-password', 'qu"ote\\back\'tick`$HOME');
    const changed = { ...config, DATABASE_URL: odd(config.DATABASE_URL!) };
    const dyno = launched(image(), ['printenv', 'DATABASE_URL'], changed);
    expect(await dyno.ended, dyno.stderr()).toBe(0);
    expect(dyno.stdout()).toBe(`${changed.DATABASE_URL.replace('no-such-host.invalid', '127.0.0.1')}\n`);
  });

  test('with a home that cannot be written to, keys and authority lie in a private directory of the temporary one', async () => {
    const gateway = await server();
    const { config, writerPort } = await attachment('DATABASE', gateway, { POSTGRES_CA_CERTIFICATE: CA });
    const built = image();
    const temporary = join(built.app, 'tmp');
    mkdirSync(temporary);
    const app = `${ASK}; ask ${writerPort}; cat "$PGSSLROOTCERT"; stat -c %a "$(dirname "$PGSSLROOTCERT")"`;
    const dyno = launched(built, ['bash', '-c', app], { ...config, TMPDIR: temporary }, FORBIDDEN);
    expect(await dyno.ended, dyno.stderr()).toBe(0);
    expect(dyno.stdout()).toBe(`one primary.one.internal:5432 hello\n${CA}\n700\n`);
    await until(() => readdirSync(temporary).length === 0, 'nothing is left');
  });

  test('what is wrong never keeps the app from starting', async () => {
    const built = image();
    const { config } = await attachment('DATABASE', await server(), { SSH_HOST: '-oProxyCommand=touch' });
    const dyno = launched(built, ['echo', 'started'], config);
    expect(await dyno.ended).toBe(0);
    expect(dyno.stdout()).toBe('started\n');
    expect(dyno.stderr()).toContain('is incomplete, so DATABASE gets no tunnel');

    // A run image without bash: nothing but what the launcher's own interpreter needs.
    const bin = join(built.app, 'bin');
    mkdirSync(bin);
    symlinkSync('/bin/echo', join(bin, 'echo'));
    const bare = launched(built, ['echo', 'started'], { ...config, PATH: bin });
    expect(await bare.ended, bare.stderr()).toBe(0);
    expect(bare.stdout()).toBe('started\n');
    expect(bare.stderr()).toBe(
      'borealis-pg: bash is not installed: use a run image that has bash and the OpenSSH client, the tunnel needs them.\n',
    );
  });
});
