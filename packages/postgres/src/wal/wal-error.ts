/** The log cannot be read on, for the reason that the sentence gives. */
export class WalError extends Error {
  override readonly name = 'WalError';
}

/** A position in the log as PostgreSQL writes it: `0/3000028`. */
export function formatLsn(lsn: number): string {
  return `${Math.floor(lsn / 2 ** 32).toString(16)}/${(lsn % 2 ** 32).toString(16)}`.toUpperCase();
}

/** The number of a position; exact up to 8 PiB of log. */
export function parseLsn(text: string): number {
  const [high = '', low = ''] = text.split('/');
  return Number.parseInt(high, 16) * 2 ** 32 + Number.parseInt(low, 16);
}
