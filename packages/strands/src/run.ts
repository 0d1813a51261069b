import type { Pool } from 'pg';
import type { Claim } from './claim.js';
import { fail, LeaseLost, type Settlement, settle } from './commit.js';
import { persistently } from './persistently.js';
import type { AnyKind, Outcome, StepResult } from './types.js';

const MAX_TRIES = 10;
const MAX_CRASHES = 5;
const MAX_ERROR_LENGTH = 2000;

interface RaisedSignal {
  name: string;
  seq: string;
}

/** Runs the label of a claimed strand and records what came of it; `lost` when another worker has it by now. */
export async function runClaim(
  pool: Pool,
  worker: string,
  kind: AnyKind,
  claim: Claim,
  lost: AbortSignal,
): Promise<StepResult> {
  try {
    const signals = await persistently(lost, () => raisedSignals(pool, claim.id));
    try {
      const settlement = await decide(kind, claim, signals, lost);
      return await persistently(lost, () => settle(pool, worker, claim, settlement));
    } catch (error) {
      if (error instanceof LeaseLost || lost.aborted) throw error;
      const failure = { error: messageOf(error), park: isFinal(error, kind, claim) };
      return await persistently(lost, () => fail(pool, worker, claim, failure));
    }
  } catch (error) {
    return { label: claim.label, outcome: 'lost', error: messageOf(error) };
  }
}

/** No try will help: the strand waits for the operator, or for `destroy`. */
class GiveUp extends Error {
  readonly retryable = false;
}

async function decide(kind: AnyKind, claim: Claim, signals: RaisedSignal[], lost: AbortSignal): Promise<Settlement> {
  const leaving = isWayOut(kind, claim.label);
  if (kind.destroy && !leaving && signals.some((raised) => raised.name === 'destroy')) {
    return { outcome: 'destroy', label: kind.destroy, frame: claim.frame, seconds: 0, consumed: [] };
  }
  if (claim.crashes > MAX_CRASHES) throw new GiveUp(`Its worker died ${MAX_CRASHES} times in a row in this label.`);
  const label = Object.hasOwn(kind.labels, claim.label) ? kind.labels[claim.label] : undefined;
  if (!label) throw new GiveUp(`This version of the service knows no label "${claim.label}" of "${kind.name}".`);
  const frame = parseFrame(kind, claim.frame);
  const consumed = new Set<string>();
  const visible = kind.destroy ? signals.filter((raised) => raised.name !== 'destroy') : signals;
  const outcome: Outcome<string, object> = await label.run({
    strandId: claim.id,
    label: claim.label,
    frame,
    tries: claim.tries - 1,
    signals: visible.map((raised) => raised.name),
    lost,
    consume: (name: string) => consumed.add(name),
  });
  const seqs = visible.filter((raised) => consumed.has(raised.name)).map((raised) => raised.seq);
  return toSettlement(kind, claim, outcome, frame, seqs);
}

function toSettlement(
  kind: AnyKind,
  claim: Claim,
  outcome: Outcome<string, object>,
  frame: object,
  consumed: string[],
): Settlement {
  const patch = outcome.kind === 'done' ? {} : outcome.frame;
  const label = outcome.kind === 'go' ? outcome.label : claim.label;
  if (!Object.hasOwn(kind.labels, label))
    throw new GiveUp(`Label "${claim.label}" leads to "${label}", which does not exist.`);
  return {
    outcome: outcome.kind,
    label,
    // Through JSON and the schema now, so that a frame which cannot be loaded again fails here, where it was made.
    frame: parseFrame(kind, JSON.parse(JSON.stringify({ ...frame, ...patch }))),
    seconds: outcome.kind === 'nap' ? outcome.seconds : 0,
    consumed,
    write: outcome.write,
    destroy: isWayOut(kind, claim.label) ? undefined : kind.destroy,
  };
}

function parseFrame(kind: AnyKind, stored: unknown): object {
  const parsed = kind.frame.safeParse(stored);
  if (parsed.success) return parsed.data;
  // Paths only: values of a frame do not belong into a log.
  const paths = parsed.error.issues.map((issue) => issue.path.join('.') || 'frame').join(', ');
  throw new GiveUp(`The stored data of this strand does not fit "${kind.name}": ${paths}.`);
}

const isWayOut = (kind: AnyKind, label: string) =>
  label === kind.destroy || !!kind.destroying?.includes(label as never);

async function raisedSignals(pool: Pool, id: string): Promise<RaisedSignal[]> {
  const { rows } = await pool.query<RaisedSignal>(
    'select name, seq from strands.signal where strand_id = $1 order by seq',
    [id],
  );
  return rows;
}

/** `retryable` on the error decides; without it the number of tries does. */
function isFinal(error: unknown, kind: AnyKind, claim: Claim): boolean {
  const retryable = (error as { retryable?: unknown } | null)?.retryable;
  if (typeof retryable === 'boolean') return !retryable;
  return claim.tries >= (kind.labels[claim.label]?.maxTries ?? MAX_TRIES);
}

function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  // PostgreSQL stores no NUL; a failure must be recordable whatever it says.
  return message.replaceAll('\0', '').slice(0, MAX_ERROR_LENGTH);
}
