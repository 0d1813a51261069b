import { request as httpRequest, type OutgoingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';

/** What the add-on API answered, as the published plugin gets to see it. */
export interface RecordedAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  /** The body as text; `json` is the same parsed, undefined when it is not JSON. */
  text: string;
  json: unknown;
}

export interface PublishedPluginOptions {
  /** The add-on API, without a slash at the end. */
  baseUrl: string;
  /** The temporary user token. */
  token: string;
  /** The add-on's current Heroku name, put into the path as it is. */
  addonName: string;
}

const USER_AGENT = `@heroku/http-call/5.6.1 node-${process.version}`;

/**
 * Sends what the published plugin 1.7.1 sends to the add-on API, byte for byte: header names in its case and order,
 * no Accept, bodies as its JSON. No answer is an error here: a conformance suite looks at every one of them.
 */
export class PublishedPlugin {
  readonly #options: PublishedPluginOptions;

  constructor(options: PublishedPluginOptions) {
    this.#options = options;
  }

  info(): Promise<RecordedAnswer> {
    return this.#send('GET', '');
  }

  personalSshUsers(): Promise<RecordedAnswer> {
    return this.#send('POST', '/personal-ssh-users');
  }

  personalDbUsers(enableWriteAccess: boolean): Promise<RecordedAnswer> {
    return this.#send('POST', '/personal-db-users', JSON.stringify({ enableWriteAccess }));
  }

  extensions(): Promise<RecordedAnswer> {
    return this.#send('GET', '/pg-extensions');
  }

  installExtension(pgExtensionName: string): Promise<RecordedAnswer> {
    return this.#send('POST', '/pg-extensions', JSON.stringify({ pgExtensionName }));
  }

  removeExtension(name: string): Promise<RecordedAnswer> {
    return this.#send('DELETE', `/pg-extensions/${name}`);
  }

  integrations(): Promise<RecordedAnswer> {
    return this.#send('GET', '/data-integrations');
  }

  registerIntegration(
    integrationName: string,
    sshPublicKey: string,
    enableWriteAccess: boolean,
  ): Promise<RecordedAnswer> {
    const body = { integrationName, sshPublicKey, enableWriteAccess };
    return this.#send('POST', '/data-integrations', JSON.stringify(body));
  }

  removeIntegration(name: string): Promise<RecordedAnswer> {
    return this.#send('DELETE', `/data-integrations/${name}`);
  }

  users(): Promise<RecordedAnswer> {
    return this.#send('GET', '/db-users');
  }

  resetUsers(): Promise<RecordedAnswer> {
    return this.#send('DELETE', '/db-users/credentials');
  }

  restoreCapabilities(): Promise<RecordedAnswer> {
    return this.#send('GET', '/restore-capabilities');
  }

  restoreToken(): Promise<RecordedAnswer> {
    return this.#send('POST', '/restore-tokens');
  }

  upgradeInfo(): Promise<RecordedAnswer> {
    return this.#send('GET', '/pg-version-upgrades');
  }

  executeUpgrade(): Promise<RecordedAnswer> {
    return this.#send('POST', '/pg-version-upgrades');
  }

  cancelUpgrade(): Promise<RecordedAnswer> {
    return this.#send('DELETE', '/pg-version-upgrades/current');
  }

  #send(method: string, path: string, body?: string): Promise<RecordedAnswer> {
    const { baseUrl, addonName } = this.#options;
    const url = new URL(`${baseUrl}/heroku/resources/${addonName}${path}`);
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const request = send(url, { method, headers: this.#headers(body) }, (response) => {
        response.setEncoding('utf8');
        let text = '';
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('error', reject).on('end', () => {
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: parsed(text) });
        });
      });
      request.on('error', reject).end(body);
    });
  }

  #headers(body: string | undefined): OutgoingHttpHeaders {
    const headers = { 'user-agent': USER_AGENT, authorization: `Bearer ${this.#options.token}` };
    // Without a body Node adds the length of a POST itself, after its own headers, as it does for the plugin.
    if (body === undefined) return headers;
    return { ...headers, 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) };
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
