import { expect, test } from 'vitest';
import { addPerson, availableAddon, call, useService } from './support/harness.js';

const start = useService();

test('the app comes first, then each person with a database user, by address', async () => {
  const { service, platform, engine } = await start();
  const { id, name, token } = await availableAddon({ service, platform });
  const list = async () => (await call(service, token, 'GET', `${name}/db-users`)).json().users;
  const named = (pattern: RegExp) => engine.access.roles.find((role) => pattern.test(role.name))!.name;
  const app = {
    ...{ displayName: null, userType: 'app' },
    ...{ readOnlyUsername: named(/^app_ro_/), readWriteUsername: named(/^app_rw_/) },
  };
  expect(await list()).toEqual([app]);
  const [zoe, adam] = [addPerson(platform, 'zoe@example.com', [id]), addPerson(platform, 'adam@example.com', [id])];
  // A key alone makes nobody a user of the database.
  await call(service, token, 'POST', `${name}/personal-ssh-users`);
  for (const person of [zoe, adam])
    await call(service, person, 'POST', `${name}/personal-db-users`, { enableWriteAccess: person === zoe });
  const suffix = named(/^p_rw_/).slice('p_rw_'.length);
  expect(await list()).toEqual([
    app,
    expect.objectContaining({
      displayName: 'adam@example.com',
      userType: 'personal',
      readOnlyUsername: named(/^p_ro_/),
    }),
    {
      ...{ displayName: 'zoe@example.com', userType: 'personal' },
      ...{ readOnlyUsername: `p_ro_${suffix}`, readWriteUsername: `p_rw_${suffix}` },
    },
  ]);
});
