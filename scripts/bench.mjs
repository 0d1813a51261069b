// Measures a whole installation against sshd in front of PostgreSQL. `npm run bench -- --help` tells the options.
import { bench } from '../bench/bench.mjs';

process.exitCode = await bench(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  return 1;
});
