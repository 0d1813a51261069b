import { parseArgs } from 'node:util';

const DEFAULTS = {
  failovers: 50,
  upgrades: 20,
  'plan-changes': 10,
  'major-upgrades': 5,
  'restore-every': 1,
  writers: 4,
  idle: 2,
};
/** A cluster begins so many majors below the newest. */
const MOST_MAJOR_UPGRADES = 5;

/** Reads the command line; throws one sentence that names what is allowed. */
export function readOptions(args) {
  const number = /** @type {const} */ ({ type: 'string' });
  const { values } = parseArgs({
    args,
    options: {
      ...Object.fromEntries(Object.keys(DEFAULTS).map((name) => [name, number])),
      seed: number,
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const read = (name) => readNumber(name, values[name], DEFAULTS[name]);
  const majorUpgrades = read('major-upgrades');
  if (majorUpgrades > MOST_MAJOR_UPGRADES)
    throw new Error(`--major-upgrades is a number from 0 to ${MOST_MAJOR_UPGRADES}.`);
  return {
    failovers: read('failovers'),
    upgrades: read('upgrades'),
    planChanges: read('plan-changes'),
    majorUpgrades,
    restoreEvery: read('restore-every'),
    writers: Math.max(1, read('writers')),
    idle: read('idle'),
    seed: readNumber('seed', values.seed, Math.floor(Math.random() * 10_000)),
    json: values.json,
    help: values.help,
  };
}

function readNumber(name, text, otherwise) {
  if (text === undefined) return otherwise;
  if (!/^\d{1,4}$/.test(text)) throw new Error(`--${name} is a number from 0 to 9999.`);
  return Number(text);
}

export const HELP = `npm run soak -- [--failovers N] [--upgrades N] [--plan-changes N] [--seed N] [--json]

  --failovers      how often the primary is killed or stopped (default ${DEFAULTS.failovers})
  --upgrades       minor upgrades, there and back (default ${DEFAULTS.upgrades})
  --plan-changes   changes of memory, and nodes added and removed (default ${DEFAULTS['plan-changes']})
  --major-upgrades to the next major, every other one with the way back (default ${DEFAULTS['major-upgrades']}, at most ${MOST_MAJOR_UPGRADES})
  --restore-every  after every so many rounds, restores to before and after (default ${DEFAULTS['restore-every']}; 0: never)
  --writers        clients that write all the time (default ${DEFAULTS.writers})
  --idle           idle sessions with each kind of state (default ${DEFAULTS.idle})
  --seed           the same order again
  --json           the report as JSON on stdout, the progress on stderr

A cluster with a standby in a home of its own, with its gateway, under clients through a tunnel: the primary dies, is upgraded and changed, in a
random order, and after each time everything is checked that docs/when-you-can-lose-data.md and docs/reference/sessions.md promise. Ends with 1 when
something did not hold. A complete run takes about an hour. Needs Linux and ssh.`;
