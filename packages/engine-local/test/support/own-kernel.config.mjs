export default { test: { testTimeout: 300_000, hookTimeout: 300_000, pool: 'forks', maxWorkers: 1, cache: false } };
