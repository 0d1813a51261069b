import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { proxyFor } from '../src/addon-api/proxy.js';
import { ApiServer } from './support/api-server.js';
import { run } from './support/cli.js';
import { closing } from './support/closing.js';
import { layOutHeroku, RESOURCE } from './support/heroku.js';
import { DATABASE_HOST, makeCertificates } from './support/postgres.js';

const EXTENSIONS = { extensions: [{ name: 'hstore', schema: 'hstore', version: '1.8' }] };
const CREDENTIALS = `Basic ${Buffer.from('me:se cret').toString('base64')}`;

const home = mkdtempSync(join(tmpdir(), 'bpx-'));
makeCertificates(home);
const api = new ApiServer();
const secureApi = createTlsServer(
  { key: readFileSync(join(home, 'server.key')), cert: readFileSync(join(home, 'server.crt')) },
  (_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(EXTENSIONS)),
);

/** A proxy to which every name is one of the two servers above; it lets those in who know its password. */
const proxy = createServer((request, response) => {
  seen.push(`${request.method} ${request.url}`);
  headers.push(request.headers);
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(EXTENSIONS));
});
proxy.on('connect', (request: IncomingMessage, client: Socket) => {
  seen.push(`CONNECT ${request.url}`);
  headers.push(request.headers);
  client.on('error', () => {});
  if (request.headers['proxy-authorization'] !== CREDENTIALS)
    return client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
  const server = connect(portOf(secureApi), '127.0.0.1', () => {
    client.write('HTTP/1.1 200 OK\r\n\r\n');
    client.pipe(server).pipe(client);
  });
  server.on('error', () => client.destroy());
  client.on('close', () => server.destroy());
});
const closeAll = [secureApi, proxy].map(closing);
const seen: string[] = [];
const headers: IncomingMessage['headers'][] = [];

beforeAll(async () => {
  await api.start();
  for (const server of [secureApi, proxy]) await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
});
afterAll(async () => {
  await api.stop();
  for (const close of closeAll) await close();
  rmSync(home, { recursive: true, force: true });
});
beforeEach(() => {
  for (const list of [seen, headers, api.requests]) list.length = 0;
  layOutHeroku(api);
  api.answers.set(`GET ${RESOURCE}/pg-extensions`, { status: 200, body: EXTENSIONS });
});

test('over TLS the proxy connects, is told who asks, and sees nothing else', async () => {
  const { code, stdout, stderr } = await extensions(`https://${DATABASE_HOST}`, {
    HTTPS_PROXY: proxyUrl('me:se%20cret@'),
    NODE_EXTRA_CA_CERTS: join(home, 'ca.crt'),
  });
  expect(stdout, stderr).toBe('- hstore (version: 1.8, schema: hstore)\n');
  expect({ code, seen }).toEqual({ code: 0, seen: [`CONNECT ${DATABASE_HOST}:443`] });
  expect(JSON.stringify(headers)).not.toContain('temporary-token');
});

test('the server behind the proxy still has to prove its name', async () => {
  const { code, stderr } = await extensions('https://elsewhere.example', {
    HTTPS_PROXY: proxyUrl('me:se%20cret@'),
    NODE_EXTRA_CA_CERTS: join(home, 'ca.crt'),
  });
  expect(stderr).toContain('ERR_TLS_CERT_ALTNAME_INVALID');
  expect(code).toBe(2);
});

test('a proxy that refuses is told in the error, without its password', async () => {
  const { code, stderr } = await extensions(`https://${DATABASE_HOST}`, { HTTPS_PROXY: proxyUrl('me:wrong@') });
  expect(stderr.replace(/\s+[›»]\s+/g, ' ')).toContain('the proxy refused with status 407');
  expect(stderr).not.toContain('wrong');
  expect(code).toBe(2);
});

test('without TLS the proxy is asked for the whole address', async () => {
  const { code } = await extensions('http://addon-api.example', { HTTP_PROXY: proxyUrl('me:se%20cret@') });
  expect({ code, seen }).toEqual({ code: 0, seen: [`GET http://addon-api.example${RESOURCE}/pg-extensions`] });
  expect(headers[0]).toMatchObject({ host: 'addon-api.example', 'proxy-authorization': CREDENTIALS });
});

describe('the proxy that the variables tell', () => {
  const one = { HTTPS_PROXY: 'http://secure:1', HTTP_PROXY: 'plain:2' };
  test.each([
    ['https://api.example', one, 'http://secure:1/'],
    ['http://api.example', one, 'http://plain:2/'],
    ['https://api.example', { http_proxy: 'plain:2' }, 'http://plain:2/'],
    ['http://api.example', { HTTPS_PROXY: 'http://secure:1' }, undefined],
    ['https://api.example', {}, undefined],
    ['https://api.example', { ...one, NO_PROXY: 'other, api.example' }, undefined],
    ['https://api.example', { ...one, no_proxy: '.example' }, undefined],
    ['https://api.example', { ...one, NO_PROXY: '*' }, undefined],
    ['https://myapi.example', { ...one, NO_PROXY: 'api.example,' }, 'http://secure:1/'],
    ['http://127.0.0.1:3000', one, undefined],
    ['http://localhost:3000', one, undefined],
  ])('for %s with %j', (url, environment, expected) => {
    expect(proxyFor(new URL(url), environment)?.href).toBe(expected);
  });
});

/** The platform stays where it is: the proxy is told not to be used for it. */
function extensions(baseUrl: string, env: Record<string, string>) {
  return run(api.url, ['borealis-pg:extensions', '-a', 'sushi'], {
    BOREALIS_PG_API_BASE_URL: baseUrl,
    NO_PROXY: '127.0.0.1',
    ...env,
  });
}

function proxyUrl(credentials: string): string {
  return `http://${credentials}127.0.0.1:${portOf(proxy)}`;
}

function portOf(server: { address(): AddressInfo | string | null }): number {
  return (server.address() as AddressInfo).port;
}
