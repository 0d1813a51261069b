import { measureSelects } from './select.mjs';

const CLIENTS = [
  [1, 1.1],
  [8, 1.1],
  [32, 2],
];

/** Prepared select-only transactions a second over open connections. */
export function pgbench(context) {
  return measureSelects(
    context,
    CLIENTS.map(([clients, atLeast]) => ({
      name: `pgbench -S, ${clients} client${clients > 1 ? 's' : ''}`,
      options: ['-M', 'prepared', '-c', String(clients)],
      target: { atLeast },
    })),
  );
}
