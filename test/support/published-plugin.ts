import { randomUUID } from 'node:crypto';
import { request as httpRequest } from 'node:http';

export interface PlatformAnswer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into it and says what it expects there
  body: any;
}

/** What the published plugin asks of the Platform API, with the headers that the CLI's own client puts on it. */
export class PublishedPluginOnPlatform {
  constructor(
    private readonly url: string,
    private readonly token: string,
  ) {}

  authorize(): Promise<PlatformAnswer> {
    return this.#send('POST', '/oauth/authorizations', {
      description: 'Borealis PG CLI plugin temporary auth token',
      expires_in: 180,
      scope: ['read', 'identity'],
    });
  }

  revoke(id: string): Promise<PlatformAnswer> {
    return this.#send('DELETE', `/oauth/authorizations/${id}`);
  }

  resolve(name: string, app?: string): Promise<PlatformAnswer> {
    const body = { ...(app === undefined ? {} : { app }), addon_attachment: name };
    return this.#send('POST', '/actions/addon-attachments/resolve', body);
  }

  addon(id: string): Promise<PlatformAnswer> {
    return this.#send('GET', `/addons/${id}`);
  }

  addonsOf(app: string): Promise<PlatformAnswer> {
    return this.#send('GET', `/apps/${app}/addons`);
  }

  attachmentsOf(addonId: string): Promise<PlatformAnswer> {
    return this.#send('GET', `/addons/${addonId}/addon-attachments`);
  }

  configVarsOf(app: string): Promise<PlatformAnswer> {
    return this.#send('GET', `/apps/${app}/config-vars`);
  }

  /** The new add-on of `restore:execute`: its plan is a string. */
  createCopy(app: string, wanted: { config: Record<string, string>; plan: string; attachment?: { name: string } }) {
    return this.#send('POST', `/apps/${app}/addons`, wanted);
  }

  #send(method: string, path: string, content?: object): Promise<PlatformAnswer> {
    const body = content && JSON.stringify(content);
    const headers: Record<string, string> = {
      accept: 'application/vnd.heroku+json; version=3',
      'user-agent': 'heroku-cli/11.10.0 linux',
      'request-id': randomUUID(),
      authorization: `Bearer ${this.token}`,
    };
    if (body) Object.assign(headers, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
    return new Promise((resolve, reject) => {
      const request = httpRequest(`${this.url}${path}`, { method, headers }, async (response) => {
        const chunks: Buffer[] = await response.toArray();
        const text = Buffer.concat(chunks).toString();
        // The CLI's client leaves anything else a string, in which the plugin finds no field.
        const isJson = /^application\/(.*\+)?json/.test(response.headers['content-type'] ?? '');
        resolve({ status: response.statusCode ?? 0, body: isJson ? JSON.parse(text) : text });
      });
      request.on('error', reject).end(body);
    });
  }
}
