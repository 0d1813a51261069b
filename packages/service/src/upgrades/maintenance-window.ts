import { createHash } from 'node:crypto';

/** When new minor releases are put in place by themselves. Times are in seconds where nothing else is said. */
export interface MaintenancePolicy {
  /** False: they are noticed, and put in place when the operator asks for it. */
  automatic: boolean;
  /** The hours of the night, in UTC, over which add-ons without a window of their own are spread: the first, and how many. */
  night: { begin: number; hours: number };
  /** How long a window is open. What has begun in it is finished after it. */
  open: number;
  /** An add-on that is younger than this is left alone. */
  settle: number;
  /** How long open transactions are waited for; then what is still open is closed. */
  patience: number;
  /** Between two attempts in one window, when the cluster could not take it. */
  retry: number;
  /** So often an upgrade may fail, each time in another window, before it is left to the operator. */
  attempts: number;
  /** Between two looks at what is new or due. */
  tick: number;
}

export const MAINTENANCE_POLICY: MaintenancePolicy = {
  automatic: true,
  night: { begin: 1, hours: 4 },
  open: 3600,
  settle: 3600,
  patience: 600,
  retry: 60,
  attempts: 3,
  tick: 30,
};

/** When a window opens, in UTC. */
export interface MaintenanceWindow {
  /** Of the week, 0 is Sunday; null: any. */
  day: number | null;
  /** Of the day. */
  second: number;
}

const DAY = 86_400;

/** The window of whoever has not chosen one: any night, at a time that depends on the id alone. */
export function usualWindow(id: string, { night }: MaintenancePolicy): MaintenanceWindow {
  const share = createHash('sha256').update(`maintenance/${id}`).digest().readUInt32BE(0) / 2 ** 32;
  return { day: null, second: (night.begin * 3600 + Math.floor(share * night.hours * 3600)) % DAY };
}

/** The window that is open at that time, else the next one. */
export function windowAt(
  { day, second }: MaintenanceWindow,
  now: Date,
  { open }: MaintenancePolicy,
): { begin: Date; end: Date } {
  const today = Math.floor(now.getTime() / 1000 / DAY) * DAY;
  for (let begin = today - 7 * DAY + second; ; begin += DAY) {
    const [from, to] = [new Date(begin * 1000), new Date((begin + open) * 1000)];
    if ((day === null || from.getUTCDay() === day) && to > now) return { begin: from, end: to };
  }
}
