import { engineConformance } from '@borealis/engine/conformance';
import { cacheDirectory } from '@borealis/postgres';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { startKeeper } from '../src/keeper.js';
import { createEngineClient } from '../src/rpc/client.js';
import { canBackUp } from './support/client-tools.js';
import { gatewayBundle, temporaryDirectory } from './support/home.js';
import { processesOf } from './support/traces.js';
import { clients } from './support/tunnel.js';

describe('the engine of one machine, over its socket, is an engine', () => {
  engineConformance(
    async () => {
      const directory = await temporaryDirectory();
      const home = `${directory.path}/home`;
      const log = pino({ level: 'fatal' });
      const keeper = await startKeeper({ home, cacheDir: cacheDirectory(), gatewayBundle: gatewayBundle(), log });
      return {
        engine: createEngineClient(keeper.socketPath),
        clients,
        canBackUp: await canBackUp(),
        async provokeEvent(id) {
          const { servers } = await processesOf(home, id);
          for (const { pid } of servers) process.kill(pid, 'SIGKILL');
        },
        async cleanup() {
          await keeper.stop({ clusters: true });
          await directory.remove();
        },
      };
    },
    { test, beforeAll, afterAll },
  );
});
