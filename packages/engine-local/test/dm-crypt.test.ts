import { expect, test } from 'vitest';
import { boots, hasOwnKernel, runInOwnKernel } from './support/own-kernel.js';
import { hasDmCrypt } from './support/pool.js';

/** Where this machine's kernel can do it, the tests of pools have run already. */
const needed = hasOwnKernel && !hasDmCrypt && process.env.BOREALIS_TEST === 'full';

test.skipIf(!needed)(
  'what pools ask of dm-crypt holds in a kernel that has it (needs user-mode-linux, kmod, cryptsetup-bin and xfsprogs, in the full suite)',
  async ({ skip }) => {
    if (!(await boots())) skip('user-mode Linux does not start here');
    const report = await runInOwnKernel('packages/engine-local/test/pool.test.ts', 'the kernel (encrypts|still shows)');
    const failures = report.testResults.flatMap(({ assertionResults }) =>
      assertionResults.flatMap(({ failureMessages }) => failureMessages),
    );
    expect(failures).toEqual([]);
    expect(report).toMatchObject({ numPassedTests: 2, numFailedTests: 0 });
  },
  660_000,
);
