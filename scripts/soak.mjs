// Kills, upgrades and changes a cluster under clients, and checks what is promised. `npm run soak -- --help` tells the options.
import { soak } from '../soak/soak.mjs';

process.exitCode = await soak(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  return 1;
});
