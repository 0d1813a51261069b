import { parseArgs } from 'node:util';
import type { MaintenanceWindow, MaintenanceWindowAnswer } from '@borealis/contract';
import { Failure } from './failure.js';
import type { OperatorClient } from './operator-client.js';

const DAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];
const USAGE = 'Say which add-on: borealis maintenance-window ADDON [--hour H [--day D] | --usual]';

/** `borealis maintenance-window …`; returns the exit status. */
export async function maintenanceWindowCommand(
  service: () => Promise<OperatorClient>,
  args: string[],
): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      day: { type: 'string' },
      hour: { type: 'string' },
      usual: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const [addon, ...rest] = positionals;
  if (!addon || rest.length > 0) throw new Failure(USAGE);
  const wanted = values.usual ? null : wantedWindow(values);
  const client = await service();
  const { id, name } = await client.find(addon);
  const answer = await client.maintenanceWindow(id, wanted);
  process.stdout.write(
    values.json ? `${JSON.stringify({ addon: name, ...answer }, null, 2)}\n` : describeWindow(name, answer),
  );
  return 0;
}

/** Undefined: it is only to be shown. Throws a `Failure` for what is no window. */
export function wantedWindow({ day, hour }: { day?: string; hour?: string }): MaintenanceWindow | undefined {
  if (day === undefined && hour === undefined) return undefined;
  if (hour === undefined || !/^([01]?\d|2[0-3])$/.test(hour))
    throw new Failure('Say at what hour the window opens, in UTC: --hour 0 to --hour 23.');
  const number = DAYS.indexOf(day?.toLowerCase() ?? '');
  if (number < 0 && day !== undefined && day !== 'any')
    throw new Failure(`"${day}" is no day of the week: write it like monday, or any.`);
  return { day: number < 0 ? null : number, hour: Number(hour) };
}

/** The window in a sentence. */
export function describeWindow(addon: string, { chosen, next }: MaintenanceWindowAnswer): string {
  const day =
    chosen?.day == null ? 'any day' : `on ${DAYS[chosen.day]!.replace(/^./, (first) => first.toUpperCase())}s`;
  const when = chosen ? `${day} from ${chosen.hour}:00 UTC` : 'any night, at a time of its own';
  return `New minor releases of PostgreSQL come to ${addon} ${when}; next from ${next.begin} to ${next.end}.\n`;
}
