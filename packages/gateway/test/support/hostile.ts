import { afterAll, beforeAll } from 'vitest';
import { GatewayDirectory } from './gateway-directory.js';
import { GatewayProcess } from './gateway-process.js';
import { echo, login, type RawClient } from './ssh-client.js';

/** Memory that an attack may cost us at its height, in MiB. Stock ssh2 lost gigabytes to most of them. */
export const ALLOWED_MIB = 80;

/** One gateway for the tests of a file, made before them and ended after. */
export class Victim {
  directory!: GatewayDirectory;
  gateway!: GatewayProcess;

  constructor(limits: Record<string, unknown> = {}) {
    beforeAll(async () => {
      this.directory = new GatewayDirectory({ limits });
      this.gateway = await GatewayProcess.start(this.directory.path);
    });
    afterAll(async () => {
      await this.gateway.destroy();
      this.directory.remove();
    });
  }

  get port(): number {
    return this.gateway.port;
  }

  login(extra: object = {}): Promise<RawClient> {
    return login(this.port, { privateKey: this.directory.alice.private, ...extra });
  }

  /** Fails unless an honest client is still served. */
  async servesOthers(): Promise<void> {
    const client = await this.login();
    const text = await echo(client, 'honest');
    client.end();
    if (text !== 'honest') throw new Error(`An honest client got '${text}' back.`);
  }

  /** Runs an attack and gives by how many MiB memory grew at its height. */
  async growth(attack: () => Promise<void>): Promise<number> {
    const before = this.gateway.rss();
    let height = before;
    const timer = setInterval(() => {
      height = Math.max(height, this.gateway.rss());
    }, 50);
    await attack().finally(() => clearInterval(timer));
    return height - before;
  }
}
