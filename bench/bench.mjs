import { Cleanup } from './cleanup.mjs';
import { createContext } from './context.mjs';
import { keepFigures } from './figures.mjs';
import { describeMachine, load, nativeCrypto } from './machine.mjs';
import { archive } from './measures/archive.mjs';
import { backups } from './measures/backups.mjs';
import { bases } from './measures/bases.mjs';
import { clone } from './measures/clone.mjs';
import { connect } from './measures/connect.mjs';
import { copy } from './measures/copy.mjs';
import { encryption } from './measures/encryption.mjs';
import { memory } from './measures/memory.mjs';
import { moves } from './measures/moves.mjs';
import { neighbour } from './measures/neighbour.mjs';
import { pgbench } from './measures/pgbench.mjs';
import { provision } from './measures/provision.mjs';
import { replication } from './measures/replication.mjs';
import { restore } from './measures/restore.mjs';
import { restriction } from './measures/restriction.mjs';
import { rotation } from './measures/rotation.mjs';
import { tunnel } from './measures/tunnel.mjs';
import { HELP, readOptions } from './options.mjs';
import { renderResults } from './report.mjs';

const RUNNERS = {
  provision,
  tunnel,
  pgbench,
  connect,
  copy,
  restriction,
  rotation,
  neighbour,
  moves,
  replication,
  archive,
  encryption,
  clone,
  restore,
  bases,
  backups,
  memory,
};

const say = (line) => console.error(line);
const now = () => new Date().toISOString().slice(0, 16);

/** A measure that cannot run says why in the report and leaves the others alone. */
async function measure(name, context) {
  say(`${name}…`);
  try {
    return await RUNNERS[name](context);
  } catch (error) {
    say(`  ${error.message}`);
    return { failure: `Not measured: ${name}. ${error.message}` };
  }
}

/** When and on what a measure was taken. */
async function describeRun({ installation, peer }, { at, before }) {
  const found = peer.made() && (await peer().catch(() => null));
  return {
    at,
    load: `${before} to ${load()}`,
    machine: describeMachine(),
    peer: found ? found.version : null,
    nativeCrypto: installation.made() ? await nativeCrypto(await installation()) : null,
  };
}

/** Runs the benchmark; returns the exit status. */
export async function bench(args) {
  const options = readOptions(args);
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  const cleanup = new Cleanup();
  for (const signal of ['SIGINT', 'SIGTERM'])
    process.once(signal, () => void cleanup.run().finally(() => process.exit(130)));
  const context = createContext(options, cleanup, say);
  try {
    const results = [];
    for (const name of options.measures) {
      const start = { at: now(), before: load() };
      const result = await measure(name, context);
      results.push(result);
      if (!options.kept || result.failure) continue;
      await keepFigures(name, { ...(await describeRun(context, start)), result }, options.sizes);
    }
    console.log(`${renderResults(results)}\n`);
    say(
      options.kept
        ? 'Written to docs/benchmarks.md.'
        : 'A quick run, or one with another number of rounds, is not written to docs/benchmarks.md.',
    );
    return results.some(({ failure }) => failure) ? 1 : 0;
  } finally {
    say('Cleaning up');
    await cleanup.run();
  }
}
