import { expect, test } from 'vitest';
import { QuietExit } from '../src/quiet-exit.js';

test('an exit code is told to an oclif that does not share our classes, with nothing to print', () => {
  const { oclif, code, skipOclifErrorHandling } = new QuietExit(3);
  // These three fields are all that the handler of another copy of oclif looks at.
  expect({ exit: oclif.exit, code, skipOclifErrorHandling }).toEqual({
    exit: 3,
    code: 'EEXIT',
    skipOclifErrorHandling: true,
  });
});
