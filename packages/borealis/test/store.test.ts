import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';

const CLI = fileURLToPath(new URL('../bin/borealis.mjs', import.meta.url));

let home: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'bst-'));
});

afterEach(() => rm(home, { recursive: true, force: true }));

async function up(env: NodeJS.ProcessEnv): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { PATH } = process.env;
  const ports = { BOREALIS_PLATFORM_PORT: '0', BOREALIS_API_PORT: '0' };
  const child = spawn(process.execPath, [CLI, 'up', '--once'], {
    env: { PATH, HOME: home, BOREALIS_HOME: home, ...ports, ...env },
  });
  const [stdout, stderr] = [child.stdout, child.stderr].map(async (stream) => {
    let text = '';
    for await (const chunk of stream) text += chunk;
    return text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout: await stdout!, stderr: await stderr! };
}

test('nothing starts with a store in S3 that cannot be used, and one sentence says why', async () => {
  const answer = await up({
    BOREALIS_STORE: 's3://bucket/some',
    ...{ AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1', AWS_REGION: 'here', AWS_MAX_ATTEMPTS: '1' },
    ...{ AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'hunter2' },
  });
  expect(answer).toMatchObject({
    code: 1,
    stderr: 'The store s3://bucket/some does not answer as it should: connect ECONNREFUSED 127.0.0.1:1.\n',
  });
  expect(answer.stdout).not.toContain('Starting');
});

test('an address with credentials in it is refused and not repeated', async () => {
  const answer = await up({ BOREALIS_STORE: 's3://key:hunter2@bucket/some' });
  expect(answer).toMatchObject({ code: 1, stderr: expect.stringMatching(/^This is no store: [^\n]+\n$/) });
  expect(answer.stdout + answer.stderr).not.toContain('hunter2');
});
