import { SERVICE_SLUG, Secret } from '@borealis/contract';
import { createEngineClient, keeperSocket, requestControlDatabase } from '@borealis/engine-local';
import { createService } from '@borealis/service';
import { processConfig } from '../local-settings.js';
import { openLog } from '../log.js';
import { ensureCredentials, ensureMasterKey } from '../secrets.js';
import { pausesFrom } from './pauses.js';
import { runProcess } from './run.js';

/** Eight labels at a time and one listener take nine connections; requests must not wait for them. */
const POOL_SIZE = 20;

await runProcess(async () => {
  const config = processConfig();
  const credentials = await ensureCredentials(config.home);
  const socket = keeperSocket(config.home);
  const database = await requestControlDatabase(socket);
  const atLabel = pausesFrom(process.env.BOREALIS_PAUSE_DIRECTORY);
  // Tests make it small: nobody fills ten gibibytes for one.
  const storage = process.env.BOREALIS_STORAGE_POLICY;
  const backups = process.env.BOREALIS_BACKUP_POLICY;
  const maintenance = process.env.BOREALIS_MAINTENANCE_POLICY;
  const service = await createService({
    database: { ...database, password: database.password.reveal(), max: POOL_SIZE },
    engine: createEngineClient(socket),
    masterKey: await ensureMasterKey(config.home, config.masterKey),
    config: {
      host: '127.0.0.1',
      port: config.apiPort,
      platformUrl: `http://127.0.0.1:${config.platformPort}`,
      publicUrl: `http://127.0.0.1:${config.apiPort}`,
      manifest: {
        id: SERVICE_SLUG,
        password: new Secret(credentials.partnerPassword),
        oauthClientSecret: new Secret(credentials.oauthClientSecret),
      },
      tunnelHost: config.tunnelHost,
      rotation: config.rotation,
      smtpUrl: new Secret(config.smtpUrl ?? `smtp://127.0.0.1:${config.mailPort}`),
      mailFrom: config.mailFrom,
      backups: { night: config.backupNight, ...(backups ? JSON.parse(backups) : {}) },
      maintenance: { ...config.maintenance, ...(maintenance ? JSON.parse(maintenance) : {}) },
      ...(storage ? { storage: JSON.parse(storage) } : {}),
      operatorToken: new Secret(credentials.operatorToken),
    },
    log: openLog(config.home, 'service'),
    ...(atLabel ? { atLabel } : {}),
  });
  await service.listen();
  return service;
});
