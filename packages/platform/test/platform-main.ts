import pino from 'pino';
import { startPlatform } from '../dist/index.js';
import { manifestFor } from './partner.js';

// A platform in a process of its own, for tests that kill it.
const [storeDirectory, baseUrl, port] = process.argv.slice(2) as [string, string, string];
const running = await startPlatform({
  storeDirectory,
  port: Number(port),
  manifest: manifestFor(baseUrl),
  owner: { email: 'owner@example.com', token: 'owner-token' },
  log: pino({ level: 'silent' }),
  timing: { retryMs: 50, maxRetryMs: 200 },
});
process.stdout.write(`${running.url}\n`);
