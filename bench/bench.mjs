import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Cleanup } from './cleanup.mjs';
import { createContext } from './context.mjs';
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
import { renderPage, renderResults } from './report.mjs';

const PAGE = resolve(import.meta.dirname, '../docs/benchmarks.md');
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

async function describeRun(context, { at, loads }, args) {
  const { installation, peer } = context;
  const found = peer.made() && (await peer().catch(() => null));
  return [
    ...describeMachine(),
    ['peer', found ? found.version : 'none'],
    ['compiled SSH crypto', installation.made() ? await nativeCrypto(await installation()) : 'not used'],
    ['load before each measure and at the end', [...loads, `end ${load()}`].join(', ')],
    ['from and to', `${at} and ${now()}`],
    ['command', `\`${['npm run bench', ...(args.length > 0 ? ['--', ...args] : [])].join(' ')}\``],
  ];
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
  const start = { at: now(), loads: [] };
  const context = createContext(options, cleanup, say);
  try {
    const results = [];
    for (const name of options.measures) {
      start.loads.push(`${name} ${load()}`);
      results.push(await measure(name, context));
    }
    const machine = await describeRun(context, start, args);
    console.log(`${renderResults(results)}\n`);
    if (options.complete) await writeFile(PAGE, renderPage({ results, machine, sizes: options.sizes }));
    say(
      options.complete
        ? 'Written to docs/benchmarks.md.'
        : 'A part or a quick run is not written to docs/benchmarks.md.',
    );
    return results.some(({ failure }) => failure) ? 1 : 0;
  } finally {
    say('Cleaning up');
    await cleanup.run();
  }
}
