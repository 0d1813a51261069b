import { median } from '../statistics.mjs';
import { connectThrough, openTunnel, prepareSsh } from '../tunnel.mjs';

/** Renewing the credentials of an app, from the request to the new config vars, and of everybody, from request to answer. */
export async function rotation({ sizes, say, cleanup, installation }) {
  const running = await installation();
  const database = await running.provision();
  await createTables(await prepareSsh(await running.endpoint(database), cleanup), sizes.tables);
  say(`  giving ${sizes.persons} persons a password each`);
  for (let n = 0; n < sizes.persons; n++) await running.admitPerson(database, `person${n}@example.com`);
  const rotated = await running.rotate(database);
  say(`  rotated in ${rotated.toFixed(2)} s`);
  const resets = [];
  for (let round = 0; round < sizes.rounds; round++) {
    resets.push(await running.reset(database));
    say(`  reset in ${resets.at(-1).toFixed(2)} s`);
  }
  const size = `${sizes.tables} tables, ${sizes.persons} persons`;
  return {
    alone: [
      { name: `a rotation, to the new config vars, with ${size}`, value: rotated, unit: 's', detail: 'once' },
      {
        name: `a reset of all credentials, with ${size}`,
        value: median(resets),
        unit: 's',
        detail: `n=${resets.length}, ${Math.min(...resets).toFixed(2)} to ${Math.max(...resets).toFixed(2)}`,
      },
    ],
  };
}

async function createTables(endpoint, tables) {
  const tunnel = await openTunnel(endpoint);
  const client = await connectThrough(endpoint, tunnel);
  for (let n = 0; n < tables; n++) await client.query(`create table t${n} (id serial primary key, v text)`);
  await client.end();
  await tunnel.close();
}
