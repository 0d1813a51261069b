// Runs a keeper as a process of its own: argv gives home, cache, gateway bundle, and other options as JSON. SIGTERM stops it with its clusters.
import { Secret } from '@borealis/contract';
import { startKeeper } from '@borealis/engine-local';
import { pino } from 'pino';

const [home, cacheDir, gatewayBundle, more] = process.argv.slice(2);
const { store, ...options } = JSON.parse(more);
try {
  const keeper = await startKeeper({
    home,
    cacheDir,
    gatewayBundle,
    ...options,
    ...(store && { store: { ...store, wrappingKey: new Secret(Buffer.from(store.wrappingKey, 'base64')) } }),
    log: pino({ level: 'warn' }, pino.destination(2)),
  });
  process.once('SIGTERM', async () => {
    await keeper.stop({ clusters: true });
    process.exit(0);
  });
  process.stdout.write('ready\n');
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}
