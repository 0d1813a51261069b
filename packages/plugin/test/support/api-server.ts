import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { closing } from './closing.js';

export interface RecordedRequest {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  /** Names and values by turns, as they came. */
  rawHeaders: string[];
  body: string;
}
export type Answer =
  | { status: number; body: unknown }
  | ((request: RecordedRequest) => { status: number; body: unknown });

/** Stands for the Platform API and the add-on API: records every request and gives the answer laid out for it. */
export class ApiServer {
  readonly requests: RecordedRequest[] = [];
  readonly answers = new Map<string, Answer>();
  readonly #server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url: path = '', headers, rawHeaders } = request;
      const recorded = { method, path, headers, rawHeaders, body: Buffer.concat(chunks).toString() };
      this.requests.push(recorded);
      const answer = this.answers.get(`${method} ${path}`);
      const { status, body } = (typeof answer === 'function' ? answer(recorded) : answer) ?? {
        status: 404,
        body: { id: 'not_found', message: `nothing at ${method} ${path}`, reason: 'nothing here' },
      };
      if (status === 0) return; // an answer that never comes
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
  });

  readonly #close = closing(this.#server);

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Every request as `METHOD path body`, in the order of arrival. */
  get log(): string[] {
    return this.requests.map(({ method, path, body }) => `${method} ${path} ${body}`.trim());
  }

  of(method: string, path: string): RecordedRequest[] {
    return this.requests.filter((request) => request.method === method && request.path === path);
  }

  async stop(): Promise<void> {
    await this.#close();
  }
}
