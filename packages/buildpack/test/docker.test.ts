import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ASK, attachment, type Dyno, onCleanUp, PACKAGE, start, type User, until } from './support/dyno.js';
import { processesIn, sendTerm } from './support/processes.js';
import { SshServer } from './support/ssh-server.js';

const CA = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
const SCRIPT = 'borealis-pg-init-secure-tunnel.sh';
const example = (file: string) => readFileSync(join(PACKAGE, 'examples/docker', file), 'utf8');

/** What the examples run: Docker and heroku.yml give it to /bin/sh -c. */
const DOCKERFILE = /^CMD (.+)$/m.exec(example('Dockerfile'))![1]!;
const HEROKU_YML = /^ {2}web: (\.\/.+)$/m.exec(example('heroku.yml'))![1]!;
const PRODUCT_DOCUMENT = `./${SCRIPT} && gunicorn gettingstarted.wsgi`;

/** As root: whoever owns nothing here, not even a home. Otherwise the user who runs the tests. */
const NOBODY: User | undefined =
  process.getuid?.() === 0
    ? { uid: Number(execFileSync('id', ['-u', 'nobody'])), gid: Number(execFileSync('id', ['-g', 'nobody'])) }
    : undefined;

interface Container {
  /** Where the image has its /app. */
  app: string;
  /** Its temporary directory, the only one that its user may write to. */
  temporary: string;
  run(command: string, config: Record<string, string>): Dyno;
}

/** A folder as the Dockerfile leaves it, with what the app is called there being `app`, and perhaps the helper beside the script. */
function container(app: string, options: { helper: boolean }): Container {
  const root = mkdtempSync(join(tmpdir(), 'dkr-'));
  chmodSync(root, 0o755);
  onCleanUp(() => rmSync(root, { recursive: true, force: true }));
  const [folder, bin, temporary] = [join(root, 'app'), join(root, 'bin'), join(root, 'tmp')];
  for (const directory of [folder, bin, temporary]) mkdirSync(directory);
  chmodSync(temporary, 0o1777);
  cpSync(join(PACKAGE, 'profile.d', SCRIPT), join(folder, SCRIPT));
  if (options.helper) cpSync(join(PACKAGE, 'scripts'), join(folder, '.borealis-pg'), { recursive: true });
  writeFileSync(join(bin, 'gunicorn'), `#!/usr/bin/env bash\n${app}\n`, { mode: 0o755 });
  const variables = { PATH: `${bin}:${process.env.PATH}`, HOME: '/proc/no-home-here', TMPDIR: temporary };
  return {
    app: folder,
    temporary,
    run: (command, config) => start('/bin/sh', ['-c', command], folder, { ...variables, ...config }, NOBODY),
  };
}

async function server(): Promise<SshServer> {
  const started = await new SshServer('one').listen();
  onCleanUp(() => started.close());
  return started;
}

test('the example is a stock image and one script', () => {
  expect(
    example('Dockerfile')
      .match(/^[A-Z]+ .*/gm)!
      .map((line) => line.split(' ')[0]),
  ).toEqual('FROM RUN WORKDIR COPY RUN RUN USER CMD'.split(' '));
  expect(DOCKERFILE).toBe(PRODUCT_DOCUMENT.replace('&& ', '&& exec '));
  expect(HEROKU_YML).toBe(PRODUCT_DOCUMENT.replace('&&', 'exec'));
});

test.each([
  ['the Dockerfile’s CMD, with the script alone', DOCKERFILE, { helper: false }],
  ['heroku.yml’s command, with the script alone', HEROKU_YML, { helper: false }],
  ['the product document’s CMD, with both scripts', PRODUCT_DOCUMENT, { helper: true }],
])(
  '%s: SIGTERM leaves the tunnel open until the app has exited, and nothing stays',
  async (_what, command, options) => {
    const gateway = await server();
    const { config, writerPort } = await attachment('DATABASE', gateway);
    const app = `${ASK}; trap 'sleep 2; ask ${writerPort}; exit 7' TERM; ask ${writerPort}; while :; do sleep 0.1; done`;
    const { run, temporary } = container(app, options);
    const dyno = run(command, config);
    const answer = 'one primary.one.internal:5432 hello\n';
    await until(() => dyno.stdout() === answer, `the first answer:\n${dyno.stderr()}`);
    const [directory] = readdirSync(temporary);
    const tunnel = processesIn(join(temporary, directory!)).map(({ pid }) => pid);
    expect(tunnel.length).toBeGreaterThanOrEqual(2);
    process.kill(-dyno.process.pid!, 'SIGTERM');
    sendTerm(tunnel);
    await until(() => dyno.stdout() === answer + answer, `an answer after SIGTERM:\n${dyno.stderr()}`);
    await until(() => gateway.open === 0 && readdirSync(temporary).length === 0, 'closed and cleaned up');
    expect(gateway.logins).toBe(1);
  },
);

test('with exec the app gets the variables, its own arguments, and nothing of the script’s own settings', async () => {
  const { config } = await attachment('DATABASE', await server(), { POSTGRES_CA_CERTIFICATE: CA });
  const { run, app } = container('', { helper: false });
  const umask = process.umask().toString(8).padStart(4, '0');
  const show = 'echo "$0|$1|$LC_ALL|$(umask)|$PWD"; cat "$NODE_EXTRA_CA_CERTS"; exit 3';
  const dyno = run(`./${SCRIPT} exec sh -c '${show}' zero "two words"`, config);
  expect(await dyno.ended, dyno.stderr()).toBe(3);
  expect(dyno.stdout()).toBe(`zero|two words||${umask}|${app}\n${CA}\n`);
});

test('exec without a command says what is missing', async () => {
  const { run } = container('', { helper: false });
  const dyno = run(`./${SCRIPT} exec`, {});
  expect(await dyno.ended).toBe(64);
  expect(dyno.stderr()).toBe(`borealis-pg: Usage: ${SCRIPT} exec COMMAND [ARGUMENT…]\n`);
});
