import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { GetObjectCommand, ListMultipartUploadsCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { openStore, tryStore } from '../../src/store/open-store.js';
import { S3Store } from '../../src/store/s3-store.js';
import { eventually, GENEROUS } from '../support/home.js';
import { BUCKET, hasSwift, type S3Server, startS3Server } from './s3-server.js';
import { testStore } from './store-conformance.js';

const isFull = process.env.BOREALIS_TEST === 'full';

describe.skipIf(!isFull || !hasSwift())('a store in S3 (needs python3-swift, in the full suite)', () => {
  let server: S3Server;
  const use = (env: Record<string, string>) => {
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  };
  const isGone = async (prefix: string) => {
    const { Uploads = [] } = await server.client.send(
      new ListMultipartUploadsCommand({ Bucket: BUCKET, Prefix: prefix }),
    );
    return Uploads.length === 0;
  };

  beforeAll(async () => {
    server = await startS3Server();
    use(server.env);
  }, GENEROUS);
  afterEach(() => use(server.env));
  afterAll(async () => {
    vi.unstubAllEnvs();
    await server?.remove();
  });

  for (const prefix of ['', 'some/prefix'])
    testStore(prefix === '' ? 'with a bucket of its own' : 'in a part of a bucket', async () => {
      const key = (name: string) => (prefix === '' ? name : `${prefix}/${name}`);
      return {
        store: openStore(`s3://${BUCKET}/${prefix}`),
        overwrite: async (name, change) => {
          const where = { Bucket: BUCKET, Key: key(name) };
          const { Body } = await server.client.send(new GetObjectCommand(where));
          const bytes = Buffer.from(await Body!.transformToByteArray());
          await server.client.send(new PutObjectCommand({ ...where, Body: change(bytes) }));
        },
        remove: async () => {},
      };
    });

  test('a process that is killed in the middle of a put leaves nothing that counts, and what it leaves is removed', async () => {
    const module = new URL('../../dist/store/open-store.js', import.meta.url).href;
    const program = `
      import { openStore } from '${module}';
      async function* endless() { for (;;) { yield Buffer.alloc(1_000_000); await new Promise((go) => setTimeout(go, 5)); } }
      await openStore(process.argv[1]).put('deep/down/object', endless());`;
    const place = `s3://${BUCKET}/killed`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program, place], {
      env: { PATH: process.env.PATH, ...server.env },
    });
    await eventually('a part of the object', async () => !(await isGone('killed/')));
    child.kill('SIGKILL');
    await once(child, 'exit');
    const store = openStore(place);
    expect(await store.list('')).toEqual([]);
    await store.removeUnfinished('other');
    expect(await isGone('killed/')).toBe(false);
    await store.removeUnfinished('deep/');
    expect(await isGone('killed/')).toBe(true);
  });

  test('a bucket that is not there is told, and not made', async () => {
    const store = openStore('s3://no-such-bucket/some');
    const sentence = 'The store s3://no-such-bucket/some refuses: NoSuchBucket: The specified bucket does not exist.';
    for (let tries = 0; tries < 2; tries++)
      await expect(tryStore(store)).rejects.toMatchObject({ fault: 'refused', message: sentence });
    await expect(store.list('')).rejects.toMatchObject({ fault: 'refused', message: sentence });
  });

  test('wrong credentials are told and not repeated', async () => {
    use({ AWS_SECRET_ACCESS_KEY: 'a-wrong-secret', AWS_SESSION_TOKEN: 'a-session-token' });
    const error = await tryStore(new S3Store({ bucket: BUCKET, prefix: '' })).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      fault: 'refused',
      message: expect.stringMatching(/^The store s3:\/\/backups refuses: \w+: [^\n]+\.$/),
    });
    expect((error as Error).cause).toBeUndefined();
    expect((error as Error).message).not.toMatch(/a-wrong-secret|a-session-token/);
  });
});
