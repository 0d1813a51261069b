import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, expect, test, vi } from 'vitest';
import { openStore, tryStore } from '../../src/store/open-store.js';
import { explainS3 } from '../../src/store/s3-error.js';
import { S3Store } from '../../src/store/s3-store.js';

const SETTINGS = {
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_MAX_ATTEMPTS: '1',
};

afterEach(() => {
  vi.unstubAllEnvs();
});

/** What trying a store says to operators with such an environment. */
async function refusal(env: Record<string, string>): Promise<unknown> {
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) vi.stubEnv(name, undefined);
  for (const [name, value] of Object.entries({ ...SETTINGS, ...env })) vi.stubEnv(name, value);
  return tryStore(new S3Store({ bucket: 'bucket', prefix: 'some' })).catch(({ fault, message }) => [fault, message]);
}

test.each([
  ['s3://bucket', 's3://bucket'],
  ['s3://bucket//', 's3://bucket'],
  ['s3://my.bucket-1/a/b_c/', 's3://my.bucket-1/a/b_c'],
])('%s is a store', (location, shown) => {
  expect(openStore(location).location).toBe(shown);
});

test.each([
  's3:',
  's3://',
  's3:///prefix',
  's3:bucket',
  'S3://bucket',
  's3://KEY:hunter2@bucket/prefix',
  's3://bucket/a//b',
  's3://bucket/../up',
  's3://bucket/a?token=hunter2',
  'https://KEY:hunter2@example.com/bucket',
])('%s is refused, and not repeated', (location) => {
  expect(() => openStore(location)).toThrow(/^This is no store: (?!.*hunter2)/);
});

test('without a region, without credentials and without anybody there, a store in S3 says what is wrong', async () => {
  const endpoint = { AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1' };
  expect(await refusal(endpoint)).toEqual([
    'refused',
    'The store s3://bucket/some cannot be asked: AWS_REGION says no region.',
  ]);
  expect(await refusal({ ...endpoint, AWS_REGION: 'here' })).toEqual([
    'refused',
    'The store s3://bucket/some cannot be asked: there are no credentials (Could not load credentials from any providers).',
  ]);
  expect(await refusal({ ...endpoint, AWS_REGION: 'no/region' })).toEqual([
    'refused',
    expect.stringMatching(/^The store s3:\/\/bucket\/some cannot be asked: Region not accepted: [^\n]+\.$/),
  ]);
  const credentials = { AWS_REGION: 'here', AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'hunter2' };
  expect(await refusal({ ...endpoint, ...credentials })).toEqual([
    'unavailable',
    'The store s3://bucket/some does not answer as it should: connect ECONNREFUSED 127.0.0.1:1.',
  ]);
});

test('the AWS SDK is loaded with the first use of a store in S3, and says nothing on the terminal', async () => {
  const module = new URL('../../dist/index.js', import.meta.url).href;
  const program = `
    import { Module } from 'node:module';
    import { openStore } from '${module}';
    const isLoaded = () => Object.keys(Module._cache).some((file) => file.includes('@aws-sdk'));
    const before = isLoaded();
    const fault = await openStore('s3://bucket').list('').catch((error) => error.fault);
    console.log(JSON.stringify([before, fault, isLoaded()]));`;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
    env: { PATH: process.env.PATH, ...SETTINGS, AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1', AWS_REGION: 'here' },
  });
  expect(JSON.parse(stdout)).toEqual([false, 'refused', true]);
  expect(stderr).toBe('');
});

test.each([
  { name: 'QuotaExceeded', message: 'The bucket is over its quota.' },
  { name: 'Unknown', message: 'UnknownError', $metadata: { httpStatusCode: 507 } },
])('a service that has no room left is told as such: $name', (refused) => {
  expect(explainS3(Object.assign(new Error(refused.message), refused), 's3://bucket')).toMatchObject({
    fault: 'full',
    message: expect.stringMatching(/^There is no room left in the store s3:\/\/bucket: [^\n]+\.$/),
  });
});
