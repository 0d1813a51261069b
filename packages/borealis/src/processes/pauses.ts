import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Lets a test stop the service at a label: while a file `before.<label>` or `after.<label>` is in the directory, the label
 * waits there and says so with a file `….reached`. Without the variable that names the directory there is nothing.
 */
export function pausesFrom(
  directory: string | undefined,
): ((moment: 'before' | 'after', label: string) => Promise<void>) | null {
  if (!directory) return null;
  return async (moment, label) => {
    const file = join(directory, `${moment}.${label}`);
    if (!existsSync(file)) return;
    writeFileSync(`${file}.reached`, '');
    while (existsSync(file)) await sleep(20);
  };
}
