import { join } from 'node:path';
import { startPlatform } from '@borealis/platform';
import { processConfig } from '../local-settings.js';
import { openLog } from '../log.js';
import { buildManifest } from '../manifest.js';
import { ensureCredentials } from '../secrets.js';
import { runProcess } from './run.js';

await runProcess(async () => {
  const config = processConfig();
  const credentials = await ensureCredentials(config.home);
  return startPlatform({
    host: '127.0.0.1',
    port: config.platformPort,
    mailPort: config.mailPort,
    storeDirectory: join(config.home, 'platform'),
    manifest: buildManifest(`http://127.0.0.1:${config.apiPort}`, credentials),
    owner: { email: config.ownerEmail, token: credentials.ownerToken },
    log: openLog(config.home, 'platform'),
  });
});
