import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findPlan } from '@borealis/contract';
import { offeredRelease } from '@borealis/postgres';
import { nodesOf, postmasterOf, untilProtected } from '../nodes.mjs';
import { MAJOR } from '../peer/postgres.mjs';
import { run, until } from '../run.mjs';
import { Sessions, WRITERS } from '../sessions.mjs';
import { describeRange, median } from '../statistics.mjs';
import { prepareSsh } from '../tunnel.mjs';

const CLI = resolve(import.meta.dirname, '../../packages/borealis/dist/cli.js');
/** With room for all sessions, and with a standby; and what it is changed to, with room for fewer. */
const PLAN = 'x2-s500-p4-r16';
const SMALLER_PLAN = 'x2-s100-p2-r8';
const FEWER_SESSIONS = 150;

/** The gateway asks sessions for their state, so many a second, once they have been idle for a second; after a crash nobody else can. */
const IDLE_SECONDS = 20;

/** The next one; the way back leads to where it came from. */
const NEXT_MAJOR = String(Number(MAJOR) + 1);

/** What the longest wait may be while one server hands over to the next, in milliseconds. */
const planned = (idle) => (idle <= 50 ? 500 : 800);

/**
 * `moves`: every writer goes on with another server. `once`: one round leaves things as the next one begins. `settled`: the idle sessions have been idle
 * for a while. `first` and `longest` are targets, in milliseconds, for the first row after a failure, and for the longest wait by the number of
 * idle sessions.
 */
const KINDS = [
  { name: 'a failover, the postmaster killed', once: true, moves: true, settled: true, bring: failOver, first: 1000 },
  { name: 'a planned switchover', once: true, moves: true, bring: switchOver, longest: planned },
  { name: 'a minor upgrade', moves: false, bring: upgrade, longest: planned },
  { name: 'a plan change', moves: false, bring: changePlan, mostIdle: FEWER_SESSIONS },
  { name: 'a major upgrade, or its way back', moves: false, bring: changeMajor, longest: () => 1000 },
];

/** How long clients that write all the time wait while the server behind them is replaced, beside idle sessions. */
export async function moves({ sizes, say, cleanup, installation }) {
  const running = await installation();
  const database = await running.provision(`borealis-pg:${PLAN}`);
  const sessions = await Sessions.open(await prepareSsh(await running.endpoint(database), cleanup), cleanup);
  const rows = [];
  for (const idle of sizes.idleSessions) {
    await sessions.addIdle(idle);
    for (const kind of KINDS.filter(({ mostIdle = Number.POSITIVE_INFINITY }) => idle <= mostIdle)) {
      const rounds = [];
      // Upgrades and plan changes go there and back, so that the next one begins as the one before.
      for (let round = 0; round < (kind.once ? 1 : 2) * sizes.rounds; round++) {
        rounds.push(await measureRound({ running, database, sessions, kind, idle, round }));
        const { longest, ends, first } = rounds.at(-1);
        const firstWrite = first === null ? '' : `, ${first.toFixed(0)} ms to the first row`;
        say(`  ${kind.name} beside ${idle} idle: ${longest.toFixed(0)} ms${firstWrite}, ${ends} idle sessions ended`);
      }
      rows.push(...describe(kind, idle, rounds));
    }
  }
  await sessions.close();
  return { alone: rows };
}

async function measureRound({ running, database, sessions, kind, idle, round }) {
  await untilProtected(running.home, database.cluster);
  if (kind.settled) await sleep(IDLE_SECONDS * 1000);
  let begun = /** @type {number | null} */ (null);
  const bring = async () => {
    begun = (await kind.bring(running, database, round)) ?? null;
  };
  const writers = await sessions.during(bring);
  const others = writers.map(({ otherServerAt }) => otherServerAt);
  if (kind.moves && others.includes(null)) throw new Error(`A writer met no other server in ${kind.name}.`);
  const waits = writers.map(({ longest }) => longest);
  return {
    waits,
    longest: Math.max(...waits),
    /** From the beginning, where it is known, to the first row that the other server acknowledged to anybody. */
    first: begun === null ? null : Math.min(...others) - begun,
    broken: writers.filter(({ broken }) => broken).length,
    ends: await sessions.mendIdle(idle),
  };
}

/** Kills the postmaster; gives the moment. Nobody tells the keeper. */
async function failOver({ home }, { cluster }) {
  const { generation, data } = await nodesOf(home, cluster);
  const pid = await postmasterOf(data);
  const begun = performance.now();
  process.kill(pid, 'SIGKILL');
  await until('another primary', async () => (await nodesOf(home, cluster)).generation > generation);
  return begun;
}

async function switchOver(running, { name }) {
  await order(running, ['drill', 'failover', name, '--planned', '--json']);
}

async function upgrade(running, { name }, round) {
  const { version: newest } = offeredRelease(MAJOR);
  const [major, minor] = newest.split('.').map(Number);
  const to = round % 2 === 0 ? `${major}.${minor - 1}` : newest;
  await order(running, ['upgrade-minor', name, '--to', to, '--json']);
}

/** To less memory and back: PostgreSQL is restarted for both. */
async function changePlan(running, database, round) {
  const plan = round % 2 === 0 ? SMALLER_PLAN : PLAN;
  await running.changePlan(database, `borealis-pg:${plan}`);
  const { memoryGiB } = findPlan(plan);
  await until(`the plan ${plan}`, async () => {
    const { spec, change } = await nodesOf(running.home, database.cluster);
    return spec.memoryGiB === memoryGiB && change === null;
  });
}

/** To the next major and back. */
async function changeMajor(running, database, round) {
  if (round % 2 === 1) return void (await order(running, ['upgrade-revert', database.name, '--json']));
  // What came before may still be announced to the app.
  await until('the upgrade to begin', () => running.upgradeMajor(database, NEXT_MAJOR).then(() => true, isConflict));
  await until(`PostgreSQL ${NEXT_MAJOR}`, async () => {
    const { spec, major } = await nodesOf(running.home, database.cluster);
    return spec.major === NEXT_MAJOR && major === null;
  });
}

/** False where the service says so; throws everything else. */
function isConflict(error) {
  if (error.status === 409) return false;
  throw error;
}

/** Gives an order as the operator does. */
async function order(running, args) {
  const env = { ...process.env, BOREALIS_HOME: running.home };
  await run(process.execPath, [CLI, ...args], { env });
}

function describe(kind, idle, rounds) {
  const { name } = kind;
  const beside = `beside ${idle} ${kind.settled ? `sessions idle for ${IDLE_SECONDS} s` : 'idle sessions'}`;
  const waits = rounds.flatMap((round) => round.waits).sort((a, b) => a - b);
  const of = (share) => waits[Math.min(waits.length - 1, Math.floor(share * waits.length))].toFixed(0);
  const ended = rounds.reduce((sum, { ends }) => sum + ends, 0);
  const broken = rounds.reduce((sum, round) => sum + round.broken, 0);
  const longest = {
    name: `the longest wait of ${WRITERS} writers during ${name}, ${beside}`,
    value: median(rounds.map((round) => round.longest)),
    unit: 'ms',
    target: kind.longest && { below: kind.longest(idle) },
    detail: `n=${rounds.length}; of every writer's longest: p50 ${of(0.5)}, p99 ${of(0.99)}, max ${of(1)}; ended: ${broken} of ${WRITERS * rounds.length} writers, ${ended} of ${idle * rounds.length} idle`,
  };
  const firsts = rounds.flatMap(({ first }) => (first === null ? [] : [first]));
  if (firsts.length === 0) return [longest];
  const first = {
    name: `${name}, to the first row that the other server acknowledged, ${beside}`,
    value: median(firsts),
    unit: 'ms',
    target: { below: kind.first },
    detail: describeRange(firsts, 0),
  };
  return [first, longest];
}
