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

/** What a scenario cannot do without. */
export interface Tools {
  /** For people: the reason why it is skipped. */
  needs: string;
  installed(): boolean;
}

/** Needs something that a machine may not have; skipped by a name that says what. */
scenario.withTools = (name: string, tools: Tools, run: () => Promise<void>): void => {
  if (tools.installed()) test(name, run, 5 * MINUTES);
  else test.skip(`${name} (needs ${tools.needs})`, run);
};

/** The same, in `npm run test:full` only. */
scenario.fullWithTools = (name: string, tools: Tools, run: () => Promise<void>): void => {
  if (full) scenario.withTools(name, tools, run);
  else test.skip(name, run);
};
