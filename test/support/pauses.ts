import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './until.js';

/** Makes the service stop at a chosen moment of a chosen label, so that something can be killed exactly there. */
export class Pauses {
  readonly directory = mkdtempSync(join(tmpdir(), 'pause-'));

  readonly env = { BOREALIS_PAUSE_DIRECTORY: this.directory };

  /** The next label of that name stops before or after its work. */
  at(moment: 'before' | 'after', label: string): Pause {
    const file = join(this.directory, `${moment}.${label}`);
    writeFileSync(file, '');
    const isReached = () => existsSync(`${file}.reached`);
    return {
      isReached,
      reached: async () => {
        await until(`the service to be ${moment} ${label}`, isReached, 120);
      },
      release: () => {
        rmSync(file, { force: true });
        rmSync(`${file}.reached`, { force: true });
      },
    };
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export interface Pause {
  isReached(): boolean;
  reached(): Promise<void>;
  release(): void;
}
