import { once } from 'node:events';
import type { Cli } from './plugin.js';
import { freePort } from './tunnel.js';
import { until } from './until.js';

export interface PersonalTunnel {
  /** What `heroku borealis-pg:tunnel` printed. */
  url: string;
  /** Ends it by Ctrl+C; returns its status. */
  close(): Promise<number | null>;
}

/** Opens `heroku borealis-pg:tunnel` on a free port and waits for the credentials. */
export async function personalTunnel(cli: Cli, app: string, ...args: string[]): Promise<PersonalTunnel> {
  const child = await cli.start('borealis-pg:tunnel', '-a', app, '-p', String(await freePort()), ...args);
  // A test that fails in between must leave nothing behind.
  process.once('exit', () => child.kill());
  const exit = once(child, 'close') as Promise<[number | null]>;
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  const url = () => /URL: (postgres:\S+)/.exec(output)?.[1];
  await until('the tunnel to open', () => child.exitCode !== null || output.includes('Press Ctrl+C'), 60);
  const printed = url();
  if (!printed) throw new Error(`heroku borealis-pg:tunnel ended: ${output}`);
  return {
    url: printed,
    close: async () => {
      child.kill('SIGINT');
      return (await exit)[0];
    },
  };
}
