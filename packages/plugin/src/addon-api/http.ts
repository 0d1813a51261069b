import { type ClientRequest, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, type Socket } from 'node:net';
import { connect } from 'node:tls';
import { proxyFor, proxyOptions } from './proxy.js';

export interface HttpRequest {
  method: string;
  url: URL;
  headers: Record<string, string>;
  body?: string | undefined;
}

export interface HttpAnswer {
  status: number;
  text: string;
}

/** How long the other side may be silent, in milliseconds. */
const SILENCE_LIMIT_MS = 5 * 60_000;

/**
 * Sends a request, through a proxy where the environment tells one, with exactly these headers beside `Host` and
 * `Connection`: the library behind `fetch` adds others and knows no proxy. Redirects are not followed, because they
 * would carry the token to somewhere else. Throws when no answer comes.
 */
export async function send(request: HttpRequest): Promise<HttpAnswer> {
  const opened = await open(request);
  return new Promise((resolve, reject) => {
    opened.on('error', reject).on('timeout', () => opened.destroy(new Error('no answer')));
    opened.on('response', (response) => read(response).then(resolve, reject));
    opened.end(request.body);
  });
}

async function open({ method, url, headers }: HttpRequest): Promise<ClientRequest> {
  const options: RequestOptions = { method, headers, timeout: SILENCE_LIMIT_MS };
  const proxy = proxyFor(url);
  if (url.protocol === 'http:') return proxy ? throughProxy(proxy, url, options) : httpRequest(url, options);
  if (proxy === undefined) return httpsRequest(url, options);
  const socket = await tunnelTo(url, proxy);
  const { hostname: host } = url;
  const servername = isIP(host) === 0 ? host : '';
  return httpsRequest(url, { ...options, createConnection: () => connect({ socket, host, servername }) });
}

/** Without TLS the proxy itself is asked, for the whole address. */
function throughProxy(proxy: URL, url: URL, options: RequestOptions): ClientRequest {
  const { headers, ...address } = proxyOptions(proxy);
  return requestTo(proxy)({
    ...options,
    ...address,
    path: url.href,
    headers: { ...options.headers, ...headers, host: url.host },
  });
}

/** With TLS the proxy only connects us, and sees nothing of what is said. */
function tunnelTo(url: URL, proxy: URL): Promise<Socket> {
  const { headers, ...address } = proxyOptions(proxy);
  const path = `${url.hostname}:${url.port || 443}`;
  const request = requestTo(proxy)({
    ...address,
    method: 'CONNECT',
    path,
    headers: { ...headers, host: path },
    timeout: SILENCE_LIMIT_MS,
  });
  return new Promise((resolve, reject) => {
    request.on('error', reject).on('timeout', () => request.destroy(new Error('no answer of the proxy')));
    request.on('connect', ({ statusCode }, socket) => {
      if (statusCode === 200) return resolve(socket as Socket);
      socket.destroy();
      reject(new Error(`the proxy refused with status ${statusCode}`));
    });
    request.end();
  });
}

function requestTo({ protocol }: URL): typeof httpRequest {
  return protocol === 'https:' ? (httpsRequest as typeof httpRequest) : httpRequest;
}

async function read(response: IncomingMessage): Promise<HttpAnswer> {
  response.setEncoding('utf8');
  let text = '';
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode ?? 0, text };
}
