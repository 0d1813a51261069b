import { layersOf } from './layers.js';
import type { Pool } from './pool.js';
import { runTool } from './tool.js';

/** Makes the mounted file system as large as its record says, with everything below it; what has the size already is left alone. */
export async function growTo(pool: Pool): Promise<void> {
  await layersOf(pool).enlarge(pool);
  await runTool('xfs_growfs', [pool.home]);
}
