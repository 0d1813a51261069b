// The engine of one machine as a process of its own: argv gives its home. SIGTERM stops it with its clusters.
import { fileURLToPath } from 'node:url';
import { startKeeper } from '@borealis/engine-local';
import { cacheDirectory } from '@borealis/postgres';
import { pino } from 'pino';

/** Short enough that restores have little to replay. */
const BASES = { first: 0, plainEvery: 900, reflinkEvery: 900 };

try {
  const keeper = await startKeeper({
    home: process.argv[2],
    cacheDir: cacheDirectory(),
    gatewayBundle: fileURLToPath(new URL('../packages/gateway/dist/bundle', import.meta.url)),
    log: pino({ level: 'info' }, pino.destination(2)),
    bases: BASES,
    majorRevertSeconds: 3600,
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
