/** Why something cannot be done with a pool: one sentence for people. Nothing was changed. */
export class PoolError extends Error {
  override readonly name = 'PoolError';
}
