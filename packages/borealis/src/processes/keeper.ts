import { join } from 'node:path';
import { startKeeper } from '@borealis/engine-local';
import { cacheDirectory } from '@borealis/postgres';
import type { Config } from '../config.js';
import { PROJECT, processConfig } from '../local-settings.js';
import { openLog } from '../log.js';
import { describeBuild, systemReleases } from '../postgres-build.js';
import { ensureMasterKey, storeKey } from '../secrets.js';
import { runProcess } from './run.js';

await runProcess(start, { finishStart: true });

async function start() {
  const config = processConfig();
  // Tests make it small: nobody waits an hour for a base.
  const bases = process.env.BOREALIS_BASE_POLICY;
  const log = openLog(config.home, 'keeper');
  if (config.postgresBuild === 'system') log.info(describeBuild(await systemReleases()));
  const keeper = await startKeeper({
    home: config.home,
    cacheDir: cacheDirectory(),
    gatewayBundle: join(PROJECT, 'packages/gateway/dist/bundle'),
    tunnelHost: config.tunnelHost,
    ...(config.gatewayPublicHost
      ? { publicGateways: { host: config.gatewayPublicHost, bind: config.gatewayBind, ports: config.gatewayPorts } }
      : {}),
    ...(config.store ? { store: { location: config.store, wrappingKey: await wrappingKey(config) } } : {}),
    ...(bases ? { bases: JSON.parse(bases) } : {}),
    majorRevertSeconds: config.upgradeRevert,
    postgresBuild: config.postgresBuild,
    minorUpgrades: config.maintenance.automatic ? 'auto' : 'off',
    log,
  });
  return { stop: () => keeper.stop({ clusters: true }) };
}

/** All that the keeper itself keeps of the master key. */
async function wrappingKey({ home, masterKey }: Config) {
  return storeKey(await ensureMasterKey(home, masterKey));
}
