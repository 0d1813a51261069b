import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Manifest } from '@borealis/contract';

export interface PartnerRequest {
  method: string;
  path: string;
  authorization: string | undefined;
  accept: string | undefined;
  body: Record<string, unknown>;
}

type Answer = { status: number; body?: unknown } | 'hang' | 'drop';

export const CLIENT_SECRET = 'client-secret-of-the-test';

async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}

/** Any maker of add-ons: an HTTP server that speaks the Partner API, answers as it is told and remembers what it was asked. */
export async function startPartner() {
  const requests: PartnerRequest[] = [];
  const answers: Record<string, (request: PartnerRequest) => Answer> = {
    POST: (request) => ({ status: 202, body: { id: request.body.uuid, message: 'Your database is being made.' } }),
    PUT: () => ({ status: 200, body: { message: 'The plan is being changed.' } }),
    DELETE: () => ({ status: 204 }),
  };
  const server = createServer((request, response) => {
    void readBody(request).then((body) => {
      const { method = '', url: path = '', headers } = request;
      const seen = { method, path, body, authorization: headers.authorization, accept: headers.accept };
      requests.push(seen);
      const answer = answers[method]!(seen);
      if (answer === 'hang') return;
      if (answer === 'drop') return void response.destroy();
      response.writeHead(answer.status, { 'content-type': 'application/json' });
      response.end(answer.body === undefined ? undefined : JSON.stringify(answer.body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    baseUrl: `http://127.0.0.1:${port}/heroku/resources`,
    requests,
    answers,
    of: (method: string) => requests.filter((request) => request.method === method),
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
export type Partner = Awaited<ReturnType<typeof startPartner>>;

export function manifestFor(baseUrl: string): Manifest {
  return {
    id: 'borealis-pg',
    name: 'Borealis Isolated Postgres',
    cli_plugin_name: 'borealis-pg-cli',
    api: {
      config_vars_prefix: 'BOREALIS_PG',
      config_vars: ['BOREALIS_PG_URL', 'BOREALIS_PG_READONLY_URL', 'BOREALIS_PG_TUNNEL_BPG_CONN_INFO'],
      password: 'partner-password',
      sso_salt: 'sso-salt',
      oauth_client_secret: CLIENT_SECRET,
      regions: ['us', 'eu'],
      requires: ['log_input'],
      production: { base_url: baseUrl, sso_url: baseUrl.replace('/heroku/resources', '/sso/login') },
      version: '3',
    },
    plans: [
      { name: 'x1-s10-p1-r1', human_name: '1 node, 10 GB', default: true, price_cents: 2500, state: 'ga' },
      { name: 'x1-s100-p2-r8', human_name: '1 node, 100 GB', default: false, price_cents: 14900, state: 'ga' },
      { name: 'dev', human_name: 'Not yet', default: false, price_cents: 0, state: 'alpha' },
    ],
  };
}
