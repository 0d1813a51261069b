import { test } from 'vitest';

const MINUTES = 60_000;
const full = process.env.BOREALIS_TEST === 'full';

/** A scenario of the newcomer's suite; `docs/reference/scenarios.md` lists it under this name. */
export function scenario(name: string, run: () => Promise<void>): void {
  test(name, run, 5 * MINUTES);
}

/** Runs in `npm run test:full` only. */
scenario.full = (name: string, run: () => Promise<void>): void => {
  test.skipIf(!full)(name, run, 15 * MINUTES);
};

/** Needs root on Linux; skipped by name otherwise. */
scenario.asRoot = (name: string, run: () => Promise<void>): void => {
  test.skipIf(process.getuid?.() !== 0 || process.platform !== 'linux')(name, run, 5 * MINUTES);
};
