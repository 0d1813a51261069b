import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { removeOsUser } from '../packages/engine-local/dist/system/os-users.js';

/** Removes a home in which nothing runs any more, with the users of its clusters. */
export async function removeHome(home) {
  await removeOsUsers(home);
  await rm(home, { recursive: true, force: true, maxRetries: 5 });
}

/** As root every cluster has users of its own; they stay when what runs them is only stopped. */
export async function removeOsUsers(home) {
  const identity = join(home, 'home.json');
  if (process.getuid() !== 0 || !existsSync(identity)) return;
  const { id } = JSON.parse(await readFile(identity, 'utf8'));
  const accounts = await readFile('/etc/passwd', 'utf8');
  for (const [user] of accounts.matchAll(new RegExp(`^b(pg|gw)-${id}-[^:]+`, 'gm'))) await removeOsUser(user);
}
