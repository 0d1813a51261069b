import { parseArgs } from 'node:util';
import { Failure } from './failure.js';
import type { OperatorClient } from './operator-client.js';

const USAGE = 'Say what to try, and on which add-on: borealis drill failover ADDON [--planned]';

/** `borealis drill …`; returns the exit status. Throws a `Failure` with the reason when nothing was tried. */
export async function drill(service: () => Promise<OperatorClient>, args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { planned: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
  });
  const [what, addon, ...rest] = positionals;
  if (what !== 'failover' || !addon || rest.length > 0) throw new Failure(USAGE);
  const client = await service();
  const { id, name } = await client.find(addon);
  const outcome = await client.failOver(id, values.planned ? 'planned' : 'crash');
  process.stdout.write(values.json ? `${JSON.stringify({ addon: name, ...outcome })}\n` : describe(name, outcome));
  return 0;
}

/** The outcome in sentences. */
export function describe(
  addon: string,
  { milliseconds, kept, closed }: Awaited<ReturnType<OperatorClient['failOver']>>,
): string {
  const sessions = kept === null ? '' : ` ${kept} sessions went on, ${closed} were ended.`;
  return `A standby of ${addon} took over within ${milliseconds} ms.${sessions}\n`;
}
