// Throws broken input at the gateway's two doors. Repeatable: `npm run fuzz -- --seed 7 --runs 1000`.
import { spawnSync } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
let failed = 0;
for (const door of ['ssh-door', 'postgres-door']) {
  console.log(`fuzzing the ${door}`);
  const result = spawnSync(
    process.execPath,
    [join(root, `packages/gateway/dist/fuzz/${door}.js`), ...process.argv.slice(2)],
    { stdio: 'inherit' },
  );
  if (result.status !== 0) failed += 1;
}
process.exit(failed === 0 ? 0 : 1);
