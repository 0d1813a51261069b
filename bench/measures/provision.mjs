import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureRelease, offeredRelease } from '@borealis/postgres';
import { MAJOR } from '../peer/postgres.mjs';
import { median } from '../statistics.mjs';

/** From the platform's request to provisioned with the release cached, and what fetching the release takes. */
export async function provision({ sizes, say, installation }) {
  const running = await installation();
  await running.provision(); // fetches the release where it is missing
  const seconds = [];
  for (let i = 0; i < sizes.provisions; i++) {
    seconds.push((await running.provision()).seconds);
    say(`  provisioned in ${seconds.at(-1).toFixed(2)} s`);
  }
  const { version } = offeredRelease(MAJOR);
  const fetched = await fetchSeconds(version);
  say(`  fetched PostgreSQL ${version} in ${fetched.toFixed(1)} s`);
  return {
    alone: [
      {
        name: 'a database, from request to provisioned, release cached',
        value: median(seconds),
        unit: 's',
        target: { below: 3 },
        detail: `n=${seconds.length}, ${Math.min(...seconds).toFixed(2)} to ${Math.max(...seconds).toFixed(2)}`,
      },
      { name: `PostgreSQL ${version} into an empty cache`, value: fetched, unit: 's', detail: 'once, with npm' },
    ],
  };
}

async function fetchSeconds(version) {
  const cacheDir = await mkdtemp(join(tmpdir(), 'bc-'));
  try {
    const start = performance.now();
    await ensureRelease({ version, cacheDir });
    return (performance.now() - start) / 1000;
  } finally {
    await rm(cacheDir, { recursive: true, force: true });
  }
}
