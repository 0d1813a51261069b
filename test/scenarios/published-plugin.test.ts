import { makeSshKeyPair } from '@borealis/contract';
import { PublishedPlugin, type RecordedAnswer } from '@borealis/plugin/testing';
import { afterAll, beforeAll, expect } from 'vitest';
import { Installation, ISOLATED } from '../support/installation.js';
import { Pauses } from '../support/pauses.js';
import { PublishedPluginOnPlatform } from '../support/published-plugin.js';
import { scenario } from '../support/scenario.js';
import { query } from '../support/sql.js';
import { openTunnel } from '../support/tunnel.js';
import { until } from '../support/until.js';

let pauses: Pauses;
let installation: Installation;
let addon: { id: string; name: string };

beforeAll(async () => {
  pauses = new Pauses();
  installation = await Installation.start({ env: pauses.env });
  addon = await installation.createAddon('diner');
});

afterAll(async () => {
  await installation?.stop();
  pauses.remove();
});

/** An Ed25519 key as a service outside hands it over, in one line. */
const KEY = `${makeSshKeyPair().publicKey} etl@example.com`;

/** Everything that the published plugin asks about an add-on that is ready; `info` is asked at any time. */
const REQUESTS: Record<string, (plugin: PublishedPlugin) => Promise<RecordedAnswer>> = {
  'personal-ssh-users': (plugin) => plugin.personalSshUsers(),
  'personal-db-users': (plugin) => plugin.personalDbUsers(true),
  extensions: (plugin) => plugin.extensions(),
  'extensions:install': (plugin) => plugin.installExtension('hstore'),
  'extensions:remove': (plugin) => plugin.removeExtension('hstore'),
  integrations: (plugin) => plugin.integrations(),
  'integrations:register': (plugin) => plugin.registerIntegration('etl', KEY, false),
  'integrations:remove': (plugin) => plugin.removeIntegration('etl'),
  users: (plugin) => plugin.users(),
  'users:reset': (plugin) => plugin.resetUsers(),
  'restore:capabilities': (plugin) => plugin.restoreCapabilities(),
  'restore:execute': (plugin) => plugin.restoreToken(),
  'upgrade:info': (plugin) => plugin.upgradeInfo(),
  'upgrade:execute': (plugin) => plugin.executeUpgrade(),
  'upgrade:cancel': (plugin) => plugin.cancelUpgrade(),
};

function platformAs(token = installation.environment.HEROKU_API_KEY!): PublishedPluginOnPlatform {
  return new PublishedPluginOnPlatform(installation.environment.PLATFORM_URL!, token);
}

/** Lends a plugin with the temporary token that the published one makes for each of its commands. */
async function withPlugin<T>(
  use: (plugin: PublishedPlugin) => Promise<T>,
  { addonName = addon.name, platform = platformAs() } = {},
): Promise<T> {
  const { body } = await platform.authorize();
  const baseUrl = installation.environment.BOREALIS_PG_API_BASE_URL!;
  try {
    return await use(new PublishedPlugin({ baseUrl, token: body.access_token.token, addonName }));
  } finally {
    expect((await platform.revoke(body.id)).status).toBe(200);
  }
}

scenario('the published plugin finds the add-on on the platform in both of its ways', async () => {
  const platform = platformAs();
  const attachment = {
    name: 'DATABASE',
    app: { name: 'diner' },
    addon: { id: addon.id, name: addon.name },
  };
  for (const [name, app] of [['DATABASE', 'diner'], [addon.name, 'diner'], [addon.name], [addon.id]] as const) {
    const { status, body } = await platform.resolve(name, app);
    expect({ status, body }, `${name} of ${app}`).toMatchObject({ status: 200, body: [attachment] });
  }
  const ours = { id: addon.id, name: addon.name, addon_service: { name: 'borealis-pg' } };
  expect((await platform.addon(addon.id)).body).toMatchObject(ours);
  expect((await platform.addonsOf('diner')).body).toMatchObject([ours]);
  expect((await platform.attachmentsOf(addon.id)).body).toMatchObject([attachment]);
  expect((await platform.configVarsOf('diner')).body).toMatchObject({
    DATABASE_TUNNEL_BPG_CONN_INFO: expect.stringContaining('POSTGRES_WRITER_HOST:='),
  });
  expect((await platform.resolve('NOPE', 'diner')).status).toBe(404);
});

scenario('its token opens the add-on until it deletes it, and info answers what it reads', async () => {
  let kept: PublishedPlugin | undefined;
  await withPlugin(async (plugin) => {
    kept = plugin;
    const { status, json } = await plugin.info();
    expect(status).toBe(200);
    // Ours may say more than the original does.
    expect(json).toMatchObject({
      addonName: addon.name,
      appDbName: expect.any(String),
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      dbStorageMaxBytes: expect.any(Number),
      dbStorageUsageBytes: expect.any(Number),
      dbTenancyType: 'isolated',
      planName: expect.any(String),
      postgresVersion: expect.stringMatching(/^\d+\.\d+$/),
      region: expect.any(String),
      replicaQuantity: expect.any(Number),
      restoreSourceAddonName: null,
      status: 'available',
      storageComplianceDeadline: null,
      storageComplianceStatus: 'ok',
    });
  });
  expect((await kept!.info()).status).toBe(404);
});

scenario('its tunnel’s two users are made in parallel and lead into the database', async () => {
  await withPlugin(async (plugin) => {
    const [ssh, db] = await Promise.all([plugin.personalSshUsers(), plugin.personalDbUsers(true)]);
    expect([ssh.status, db.status]).toEqual([201, 201]);
    const user = ssh.json as Record<string, string>;
    const database = db.json as Record<string, string>;
    expect(database.dbUsername).toMatch(/^p_rw_/);
    const tunnel = await openTunnel(
      {
        host: user.sshHost!,
        port: Number(user.sshPort),
        hostKey: user.publicSshHostKey!,
        username: user.sshUsername!,
        privateKey: user.sshPrivateKey!,
      },
      { host: database.dbHost!, port: Number(database.dbPort) },
    );
    const url = `postgres://${database.dbUsername}:${database.dbPassword}@127.0.0.1:${tunnel.localPort}/${database.dbName}`;
    expect(await query(url, installation.environment.BOREALIS_CA_FILE!, 'select 1 as one')).toEqual([{ one: 1 }]);
    await tunnel.close();
    expect((await plugin.personalDbUsers(false)).json).toMatchObject({ dbUsername: expect.stringMatching(/^p_ro_/) });
  });
});

scenario('it lists, installs and removes extensions, and is told what stands in the way', async () => {
  await withPlugin(async (plugin) => {
    const names = async () =>
      ((await plugin.extensions()).json as { extensions: { name: string }[] }).extensions.map(({ name }) => name);
    expect(await names()).not.toContain('cube');
    expect(await plugin.installExtension('earthdistance')).toMatchObject({
      status: 400,
      json: { reason: expect.any(String), dependencies: ['cube'] },
    });
    expect(await plugin.installExtension('cube')).toMatchObject({
      status: 201,
      json: { pgExtensionSchema: expect.any(String), pgExtensionVersion: expect.stringMatching(/^\d/) },
    });
    expect(await plugin.installExtension('cube')).toMatchObject({ status: 409, json: { reason: expect.any(String) } });
    expect((await plugin.installExtension('earthdistance')).status).toBe(201);
    expect((await plugin.extensions()).json).toMatchObject({
      extensions: expect.arrayContaining([
        { name: 'cube', schema: expect.any(String), version: expect.stringMatching(/^\d/) },
      ]),
    });
    expect(await plugin.removeExtension('cube')).toMatchObject({ status: 400, json: { reason: expect.any(String) } });
    for (const name of ['earthdistance', 'cube'])
      expect(await plugin.removeExtension(name)).toMatchObject({ status: 200, json: { success: true } });
    const missing = await plugin.removeExtension('cube');
    expect(missing.status).toBe(404);
    expect((missing.json as { resourceType: string }).resourceType).not.toBe('addon');
    const unknown = await plugin.installExtension('no_such_extension');
    expect(unknown).toMatchObject({ status: 400, json: { reason: expect.any(String) } });
    expect(unknown.json).not.toHaveProperty('dependencies');
    expect(await names()).not.toContain('cube');
  });
});

scenario('it registers, lists and removes data integrations, and is told what stands in the way', async () => {
  await withPlugin(async (plugin) => {
    expect((await plugin.integrations()).json).toEqual({ integrations: [] });
    const registered = await plugin.registerIntegration('etl', KEY, false);
    expect(registered.status).toBe(201);
    expect(registered.json).toEqual({
      dbHost: expect.any(String),
      dbPort: expect.any(Number),
      dbName: expect.any(String),
      dbUsername: expect.stringMatching(/^di_ro_etl/),
      dbPassword: expect.any(String),
      sshHost: expect.any(String),
      sshPort: expect.any(Number),
      sshUsername: expect.stringMatching(/^di-/),
      publicSshHostKey: expect.stringMatching(/^ssh-ed25519 AAAA/),
    });
    expect((await plugin.registerIntegration('etl', KEY, false)).status).toBe(409);
    for (const [name, key] of [
      ['Not a name', KEY],
      ['other', 'ssh-ed25519 nonsense'],
    ] as const)
      expect(await plugin.registerIntegration(name, key, false)).toMatchObject({
        status: 400,
        json: { reason: expect.any(String) },
      });
    expect((await plugin.integrations()).json).toEqual({
      integrations: [
        {
          name: 'etl',
          dbUsername: (registered.json as { dbUsername: string }).dbUsername,
          sshUsername: (registered.json as { sshUsername: string }).sshUsername,
          writeAccess: false,
          createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        },
      ],
    });
    expect(await plugin.removeIntegration('etl')).toMatchObject({ status: 200, json: { success: true } });
    expect((await plugin.removeIntegration('etl')).status).toBe(404);
    expect((await plugin.integrations()).json).toEqual({ integrations: [] });
  });
});

scenario('it lists the users, and a reset takes the old credentials from all of them', async () => {
  const before = (await installation.config('diner')).DATABASE_URL;
  await withPlugin(async (plugin) => {
    await plugin.personalDbUsers(false);
    const { status, json } = await plugin.users();
    expect(status).toBe(200);
    expect(json).toEqual({
      users: expect.arrayContaining([
        {
          displayName: null,
          readOnlyUsername: expect.stringMatching(/^app_ro_/),
          readWriteUsername: expect.stringMatching(/^app_rw_/),
          userType: 'app',
        },
        {
          displayName: expect.stringContaining('@'),
          readOnlyUsername: expect.stringMatching(/^p_ro_/),
          readWriteUsername: expect.stringMatching(/^p_rw_/),
          userType: 'personal',
        },
      ]),
    });
    expect(await plugin.resetUsers()).toMatchObject({ status: 200, json: { success: true } });
    await until('new config vars', async () => (await installation.config('diner')).DATABASE_URL !== before);
    await until('the reset to be over', async () => {
      const { json } = await plugin.info();
      return (json as { status: string }).status === 'available';
    });
  });
});

scenario(
  'it learns what can be restored and gets a token, which Heroku hands over with a plan as a string',
  async () => {
    await withPlugin(async (plugin) => {
      const { status, json } = await plugin.restoreCapabilities();
      const time = expect.toSatisfy((value) => value === null || /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value));
      expect({ status, json }).toEqual({
        status: 200,
        json: {
          cloneSupported: true,
          restoreSupported: expect.any(Boolean),
          earliestRestorableTime: time,
          latestRestorableTime: time,
          // Fields that the published plugin does not know.
          latestBackup: null,
          latestRestoreProof: null,
        },
      });
      const token = await plugin.restoreToken();
      expect(token).toMatchObject({ status: 201, json: { restoreToken: expect.stringMatching(/^[A-Za-z0-9]+$/) } });
      const { restoreToken } = token.json as { restoreToken: string };
      const config = { 'restore-token': restoreToken, 'restore-to-time': '2999-03-05T15:05:17.485-08:00' };
      const wanted = { config, plan: ISOLATED, attachment: { name: 'RESTORED' } };
      // The token is taken and the time is not: so both have arrived.
      expect(await platformAs().createCopy('diner', wanted)).toMatchObject({
        status: 422,
        body: { message: expect.stringMatching(/2999-03-05T23:05:17.485000Z, is in the future/) },
      });
    });
  },
);

scenario('a stranger, a wrong name and a token that was deleted get the same 404 from every request', async () => {
  const stranger = await installation.platform<{ token: string }>('POST', '/stand-in/users', {
    email: 'passer-by@example.com',
  });
  const notOurs = { status: 404, json: { reason: expect.any(String), resourceType: 'addon' } };
  const everything = { info: (plugin: PublishedPlugin) => plugin.info(), ...REQUESTS };
  let deleted: PublishedPlugin | undefined;
  await withPlugin(async (plugin) => {
    deleted = plugin;
  });
  for (const [request, ask] of Object.entries(everything)) {
    expect(await withPlugin(ask, { platform: platformAs(stranger.token) }), request).toMatchObject(notOurs);
    expect(await withPlugin(ask, { addonName: 'borealis-pg-none-1' }), request).toMatchObject(notOurs);
    expect(await ask(deleted!), request).toMatchObject(notOurs);
  }
});

scenario('before the add-on is provisioned every request but info gets a 422', async () => {
  const pause = pauses.at('before', 'createCluster');
  try {
    const { id, name: addonName } = await beginAddon('waiting');
    await pause.reached();
    const info = await withPlugin((plugin) => plugin.info(), { addonName });
    expect(info.status).toBe(200);
    expect((info.json as { status: string }).status).toMatch(/^(requested|awaiting|provisioning|configuring)$/);
    for (const [request, ask] of Object.entries(REQUESTS))
      expect(await withPlugin(ask, { addonName }), request).toMatchObject({
        status: 422,
        json: { reason: expect.any(String) },
      });
    await installation.platform('DELETE', `/apps/waiting/addons/${id}`);
  } finally {
    pause.release();
  }
});

async function beginAddon(app: string): Promise<{ id: string; name: string }> {
  await installation.platform('POST', '/apps', { name: app });
  return installation.platform('POST', `/apps/${app}/addons`, { config: {}, plan: { name: ISOLATED } });
}
