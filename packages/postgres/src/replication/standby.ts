import { join } from 'node:path';
import { copyServer, type ServerCopy } from '../copies/copy-server.js';
import type { CopyOptions } from '../copies/copy-tree.js';
import { syncPath } from '../durable.js';
import { replaceFile, writeNew } from '../server/configuration.js';
import type { Following, OsUser, ServerSpec } from '../server/spec.js';

/**
 * Copies the running primary into `target`, a new directory: a server that is started on it as a standby recovers to the end of the copy
 * and goes on with the primary's log. A slot has to keep that log from before the call on.
 */
export async function copyStandby(
  primary: ServerSpec,
  target: string,
  options: Omit<CopyOptions, 'from'>,
): Promise<ServerCopy> {
  const copy = await copyServer(primary, target, options);
  await writeNew(join(target, 'standby.signal'), '', options.to);
  await syncPath(target);
  return copy;
}

/** Puts the password where the standby looks for it, readable by its user alone. */
export async function writePasswordFile(
  { passwordFile, role }: Following,
  password: string,
  os: OsUser | null,
): Promise<void> {
  // libpq reads a colon and a backslash as its own.
  if (!/^[\w.-]+$/.test(password)) throw new Error('BUG: a generated password must be letters and digits');
  await replaceFile(passwordFile, `*:*:*:${role}:${password}\n`, os);
}
