import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { DirectoryStore } from '../../src/store/directory-store.js';
import { EndingStore } from '../../src/store/ending-store.js';
import type { ObjectStore } from '../../src/store/object-store.js';
import { openStore } from '../../src/store/open-store.js';
import { eventually, temporaryDirectory } from '../support/home.js';
import { testStore } from './store-conformance.js';

testStore('as long as its signal says nothing', async () => {
  const { path, remove } = await temporaryDirectory();
  await mkdir(`${path}/store`);
  return {
    store: new EndingStore(new DirectoryStore(`${path}/store`), new AbortController().signal),
    overwrite: async (name, change) =>
      writeFile(`${path}/store/${name}`, change(await readFile(`${path}/store/${name}`))),
    remove,
  };
});

describe('a service that takes requests and never answers', () => {
  let server: Server;
  const sockets = new Set<Socket>();

  beforeEach(async () => {
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.resume();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const env = {
      AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}`,
      AWS_REGION: 'us-east-1',
      AWS_CONFIG_FILE: '/dev/null',
    };
    const keys = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', AWS_SHARED_CREDENTIALS_FILE: '/dev/null' };
    for (const [name, value] of Object.entries({ ...env, ...keys })) vi.stubEnv(name, value);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    server.close();
  });

  async function* content(): AsyncGenerator<Buffer> {
    yield Buffer.from('content');
  }
  const read = async (store: ObjectStore) => {
    for await (const _ of store.get('some/object'));
  };
  const calls: [string, (store: ObjectStore) => Promise<unknown>][] = [
    ['put', (store) => store.put('some/object', content())],
    ['get', read],
    ['list', (store) => store.list('some/')],
    ['remove', (store) => store.remove('some/object')],
  ];

  test.each(calls)('keeps nobody waiting who is told to end: %s', async (name, call) => {
    const over = new AbortController();
    const store = new EndingStore(openStore(`s3://silent/${name}`), over.signal);
    const ended = call(store).catch((error: unknown) => error);
    await eventually('the request', async () => sockets.size > 0);
    const reason = new Error('It is over.');
    over.abort(reason);
    expect(await ended).toBe(reason);
    await expect(call(store)).rejects.toBe(reason);
  });
});
