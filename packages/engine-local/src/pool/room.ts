import { imageOf, type Pool } from './pool.js';
import { PoolError } from './pool-error.js';
import { runTool, ToolError } from './tool.js';

/**
 * Takes the room for the whole image from the disk: a pool that was promised more than there is would break when it fills. With
 * `keepSize` the file's own size is left to somebody else.
 */
export async function takeRoom(pool: Pool, bytes: number, keepSize = false): Promise<void> {
  const how = keepSize ? ['--keep-size'] : [];
  await runTool('fallocate', [...how, '--length', String(bytes), imageOf(pool)]).catch((error: unknown) => {
    if (error instanceof ToolError && /No space left/.test(error.stderr))
      throw new PoolError(`The disk under ${pool.place} has no room for a pool of that size.`);
    throw error;
  });
}
