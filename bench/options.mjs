import { parseArgs } from 'node:util';

export const MEASURES = [
  'provision',
  'tunnel',
  'pgbench',
  'connect',
  'copy',
  'restriction',
  'rotation',
  'neighbour',
  'moves',
  'replication',
  'archive',
  'encryption',
  'clone',
  'restore',
  'bases',
  'backups',
  'memory',
];

const FULL = {
  rounds: 3,
  seconds: 5,
  scale: 10,
  rows: 300_000,
  tunnels: 15,
  provisions: 5,
  tables: 1000,
  persons: 100,
  clusters: 20,
  sessions: 100,
  idleTunnels: 20,
  idleSessions: [1, 50, 300],
  settleSeconds: 20,
  segments: 20,
  copied: [0.3, 1, 3],
  days: 7,
  agedScale: 20,
  updatesPerHour: 1000,
  writesPerSecond: 50,
  logMinutes: [5, 30, 60],
};

/** Small enough to see that everything works; its figures mean little. */
const QUICK = {
  rounds: 1,
  seconds: 2,
  scale: 1,
  rows: 20_000,
  tunnels: 3,
  provisions: 1,
  tables: 50,
  persons: 2,
  clusters: 2,
  sessions: 10,
  idleTunnels: 4,
  idleSessions: [1, 10],
  settleSeconds: 2,
  segments: 4,
  copied: [0.05, 0.2],
  days: 2,
  agedScale: 2,
  updatesPerHour: 100,
  writesPerSecond: 20,
  logMinutes: [5, 10],
};

/** Reads the command line; throws one sentence that names what is allowed. */
export function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string' },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const measures = values.only?.split(',') ?? MEASURES;
  const unknown = measures.find((name) => !MEASURES.includes(name));
  if (unknown !== undefined)
    throw new Error(`There is no measure "${unknown}"; allowed are ${MEASURES.join(', ')}, joined by commas.`);
  const sizes = { ...(values.quick ? QUICK : FULL) };
  if (values.rounds !== undefined) sizes.rounds = readRounds(values.rounds);
  const kept = !values.quick && values.rounds === undefined;
  return { help: values.help, measures, sizes, kept };
}

function readRounds(text) {
  if (!/^[1-9]\d?$/.test(text)) throw new Error('--rounds is a number from 1 to 99.');
  return Number(text);
}

export const HELP = `npm run bench -- [--only MEASURE,…] [--rounds N] [--quick]

  --only    some of ${MEASURES.join(', ')}
  --rounds  how often the sides of a comparison take turns (default ${FULL.rounds})
  --quick   everything once and small: shows that it works, the figures mean little

A complete run takes about an hour and up to 15 GB of the temporary directory, which are free again afterwards. Each measure is written to
docs/benchmarks.md as soon as it is taken, in the place of what it had found before; with --rounds or --quick they are only printed. Pools need root on Linux with loop devices, XFS, FUSE and QEMU's storage daemon.`;
