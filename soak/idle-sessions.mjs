import { until } from '../bench/run.mjs';
import { STATES } from './states.mjs';

/** Behind every statement of an idle session, so that it can be seen whether anybody has said something in it since. */
const MARK = '/* soak */';
const PATIENCE = { seconds: 120, everyMs: 100 };

/** Sessions that only stand there, so many with each kind of state that docs/reference/sessions.md says is moved. */
export class IdleSessions {
  kept = 0;
  ended = 0;
  #sessions = [];
  #copies;

  constructor(cluster, copies) {
    this.cluster = cluster;
    this.#copies = copies;
  }

  /** Opens those that are missing. */
  async complete() {
    for (const kind of STATES)
      for (let copy = 0; copy < this.#copies; copy++) {
        if (this.#sessions.some((one) => one.kind === kind && one.copy === copy)) continue;
        this.#sessions.push(await this.#open(kind, copy));
      }
  }

  async #open(kind, copy) {
    const client = await this.cluster.session(`idle ${kind.name} ${copy}`);
    const session = { kind, copy, client, heard: [] };
    client.on('notification', ({ payload }) => session.heard.push(Number(payload)));
    await kind.make(client, copy);
    return session;
  }

  /** Resolves when the gateway knows the state of all of them, as after a crash it must: it asks those that say nothing. */
  async untilKnown() {
    const before = (await this.cluster.counters()).snapshots_taken ?? 0;
    for (const { client } of this.#sessions) await client.query(`select 1 ${MARK}`);
    await until(
      'the gateway to know all idle sessions',
      async () => {
        const asked = ((await this.cluster.counters()).snapshots_taken ?? 0) - before;
        if (asked < this.#sessions.length) return false;
        const sql = `select count(*)::int as unknown from pg_stat_activity
          where application_name like 'idle %' and (state <> 'idle' or query like $1)`;
        const [{ unknown }] = await this.cluster.ask(sql, { values: [`%${MARK}`] });
        return unknown === 0;
      },
      PATIENCE,
    );
  }

  /**
   * Asks each for its state, and gives a sentence for each that is not as promised after a `planned` replacement of the server or a `crash`.
   * `notified` are the numbers that were sent and acknowledged. After a crash that took so long that the gateway `gaveUp` waiting, all may have ended.
   * Those that have ended are forgotten.
   */
  async check(how, notified, gaveUp) {
    const wrong = [];
    for (const session of this.#sessions) {
      if (gaveUp && session.client.ended) continue;
      const sentence = await judge(session, how, notified).catch((error) => `was lost: ${error.message}`);
      if (sentence) wrong.push(`an idle session with ${session.kind.name} ${sentence}`);
    }
    const gone = this.#sessions.filter(({ client }) => client.ended);
    this.kept += this.#sessions.length - gone.length;
    this.ended += gone.length;
    this.#sessions = this.#sessions.filter(({ client }) => !client.ended);
    for (const { client } of gone) await client.end().catch(() => {});
    return wrong;
  }

  async close() {
    for (const { client } of this.#sessions.splice(0)) await client.end().catch(() => {});
  }
}

/** What is wrong with a session; null when nothing is. */
async function judge(session, how, notified) {
  const { kind, client, copy } = session;
  if (how === 'crash' && !kind.survivesCrash) {
    // One that goes on would go on without a part of its state.
    const isOver = until('its end', () => client.ended, { seconds: 30 }).then(
      () => true,
      () => false,
    );
    return (await isOver) ? null : 'goes on after a crash';
  }
  if (client.ended) return `was ended: ${client.ended.message}`;
  const state = await kind.look(client, copy);
  const expected = kind.expected(copy);
  if (JSON.stringify(state) !== JSON.stringify(expected))
    return `has ${JSON.stringify(state)} where it had ${JSON.stringify(expected)}`;
  return kind.listens ? heardAll(session, notified) : null;
}

/** Each notification that was acknowledged since the session listens has come once, in order. */
async function heardAll({ heard }, notified) {
  const last = notified.at(-1) ?? 0;
  const isThere = until('the last notification', () => heard.length > 0 && heard.at(-1) >= last, { seconds: 30 });
  if (!(await isThere.catch(() => false))) return `has not heard ${last}, but ${heard.at(-1)}`;
  const missing = notified.filter((number) => number >= heard[0] && !heard.includes(number));
  if (missing.length > 0) return `has not heard ${missing.slice(0, 5)}`;
  return heard.every((number, at) => at === 0 || number > heard[at - 1]) ? null : 'has heard something twice';
}
