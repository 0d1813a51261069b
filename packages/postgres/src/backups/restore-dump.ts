import pg from 'pg';
import type { ClientTools } from '../client-tools/tools.js';
import type { ServerSpec } from '../server/spec.js';
import { startClient } from './client-program.js';
import { complaintsIn } from './complaints.js';
import type { Prelude } from './prelude.js';
import type { Restorer } from './scratch-server.js';

const { escapeIdentifier } = pg;

export interface RestoreRequest {
  server: ServerSpec;
  database: string;
  tools: ClientTools;
  restorer: Restorer;
  /** True: comments are restored, too. */
  comments?: boolean;
  prelude: Prelude;
  signal: AbortSignal;
}

/**
 * Restores a dump, which is read to its end, into the empty database; returns what could not be restored. Owners and rights, and comments
 * unless they are asked for, are left out. Throws what the content throws.
 */
export async function restoreDump(request: RestoreRequest, content: AsyncIterable<Buffer>): Promise<string[]> {
  const { server, database, tools, restorer: role, signal } = request;
  const left = ['publications', 'subscriptions', 'security-labels', 'owner', 'acl'];
  if (!request.comments) left.push('comments');
  const args = [...left.map((what) => `--no-${what}`)];
  const call = { tools, program: 'pg_restore', server, role, database, args, signal } as const;
  const { child, ended } = startClient(call, ['pipe', 'ignore', 'pipe']);
  try {
    await feed(content, child.stdin!);
  } catch (error) {
    child.kill();
    await ended;
    signal.throwIfAborted();
    throw error;
  }
  const { status, said } = await ended;
  signal.throwIfAborted();
  const made = request.prelude.extensions.map(({ schema }) => `CREATE SCHEMA ${quoted(schema)}`);
  // Those of extensions belong to whoever made the extension.
  const complaints = complaintsIn(said, new Set(made)).filter((what) => !what.startsWith('COMMENT ON EXTENSION '));
  // Without a complaint that counts, what it ends with says that there were some that do not.
  const endedWell = status === 0 || /errors ignored on restore/.test(said);
  return endedWell || complaints.length > 0 ? complaints : ['its end'];
}

/** A reader that ends early does not keep the rest from being read: it has to be genuine, too. */
async function feed(
  content: AsyncIterable<Buffer>,
  stdin: NodeJS.WritableStream & { destroyed?: boolean },
): Promise<void> {
  let isOpen = true;
  stdin.on('error', () => {
    isOpen = false;
  });
  for await (const part of content) if (isOpen && !stdin.write(part)) await drained(stdin);
  if (isOpen) stdin.end();
}

function drained(stdin: NodeJS.WritableStream): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stdin.off('drain', done).off('close', done).off('error', done);
      resolve();
    };
    stdin.on('drain', done).on('close', done).on('error', done);
  });
}

/** As pg_dump writes a name. */
const quoted = (name: string) => (/^[a-z_][a-z0-9_]*$/.test(name) ? name : escapeIdentifier(name));
