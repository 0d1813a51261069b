import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ClusterSpec, ClusterState, Engine } from '@borealis/engine';

export const GENEROUS = 300_000;
export const isRoot = process.getuid?.() === 0;

export const SPEC: ClusterSpec = {
  major: '16',
  tenancy: 'isolated',
  nodes: 1,
  vcpu: 1,
  memoryGiB: 1,
  storageGiB: 10,
};

/** The real gateway, as `node scripts/bundle-gateway.mjs` makes it. */
export function gatewayBundle(): string {
  const path = fileURLToPath(new URL('../../../gateway/dist/bundle', import.meta.url));
  if (!existsSync(join(path, 'gateway.cjs'))) throw new Error('build first: npm run build');
  return path;
}

/** A directory that every user can pass through, short enough for sockets. */
export async function temporaryDirectory(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'bel-'));
  await chmod(path, 0o755);
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 3 }) };
}

/** Waits until `condition` gives something; fails after the generous limit with `what` was missing. */
export async function eventually<T>(what: string, condition: () => Promise<T | null | undefined | false>): Promise<T> {
  const end = Date.now() + GENEROUS / 2;
  for (;;) {
    const result = await condition();
    if (result) return result;
    if (Date.now() > end) throw new Error(`this never came: ${what}`);
    await sleep(50);
  }
}

/** Waits until the cluster is ready, whatever keeper answers meanwhile. */
export function untilReady(engine: Engine, id: string): Promise<ClusterState> {
  return eventually(`${id} is ready`, async () => {
    const state = await engine.cluster(id).catch(() => null);
    return state?.phase === 'ready' ? state : null;
  });
}
