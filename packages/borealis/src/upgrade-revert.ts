import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import type { MajorUpgrade } from '@borealis/contract';
import { Failure } from './failure.js';
import type { OperatorClient } from './operator-client.js';
import { untilEnded } from './until-ended.js';
import { parseWait, sessionsMoved } from './upgrade-minor.js';

type Ended = Exclude<MajorUpgrade, { state: 'running' }>;

/** `borealis upgrade-revert …`; returns the exit status: 1 when there was no way back. Throws a `Failure` with the reason when none was begun. */
export async function upgradeRevert(service: () => Promise<OperatorClient>, args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { wait: { type: 'string', default: '10m' }, json: { type: 'boolean', default: false } },
  });
  const [addon, ...rest] = positionals;
  if (!addon || rest.length > 0)
    throw new Failure('Say which add-on, by its name or id: borealis upgrade-revert ADDON');
  const wanted = { request: randomUUID(), patienceSeconds: parseWait(values.wait) };
  const client = await service();
  const { id, name } = await client.find(addon);
  const ended = await untilEnded<MajorUpgrade>(() => client.revertMajorUpgrade(id, wanted));
  process.stdout.write(values.json ? `${JSON.stringify({ addon: name, ...ended }, null, 2)}\n` : describe(name, ended));
  return ended.state === 'done' ? 0 : 1;
}

/** What came of it, in one line. */
export function describe(addon: string, ended: Ended): string {
  const { from, to } = ended;
  if (ended.state === 'done')
    return `${addon} is back on PostgreSQL ${to}, from ${from}, with what was written since: ${sessionsMoved(ended)}.\n`;
  const why = ended.state === 'failed' ? ended.findings.join(' ') : 'It was cancelled.';
  return `${addon} was not brought back from PostgreSQL ${from} to ${to}: ${why}\n`;
}
