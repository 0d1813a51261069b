import { keyFingerprint, parseConnInfo, parseVerifier, verifierDigest } from '@borealis/contract';
import { expect, test } from 'vitest';
import { availableAddon, call, type Harness, OPERATOR, stepTo, useService } from './support/harness.js';

const start = useService();

/** Makes the next renewal due, or the overlap as old as asked. */
async function age({ pool }: Harness, what: 'due_at' | 'announced_at', hours: number): Promise<void> {
  await pool.query(`update rotation set ${what} = now() - $1 * interval '1 hour'`, [hours]);
}

const config = ({ platform }: Harness, id: string) => platform.addons.get(id)!.config as Record<string, string>;
const password = (harness: Harness, id: string) => new URL(config(harness, id).BOREALIS_PG_URL!).password;
const writer = ({ engine }: Harness) => engine.access.roles.find(({ name }) => name.startsWith('app_rw_'))!;
const appKeys = ({ engine }: Harness) => engine.access.tunnelUsers.find(({ kind }) => kind === 'app')!.publicKeys;
const state = async ({ pool }: Harness) => (await pool.query('select state from rotation')).rows[0].state;
const events = async ({ pool }: Harness) =>
  (await pool.query('select type from event order by id')).rows.map(({ type }) => type as string);

/** Lets the strand run until it naps with nothing due. */
async function settle({ service }: Harness, id: string): Promise<string[]> {
  const ran: string[] = [];
  for (let steps = 0; steps < 20; steps++) {
    const result = await service.strands.step(id);
    if (!result || result.outcome === 'failed' || result.outcome === 'parked') throw new Error(JSON.stringify(result));
    ran.push(result.label);
    if (result.outcome === 'nap') return ran;
  }
  throw new Error(`never settles: ${ran.join(', ')}`);
}

test('when a week is over the config vars get new passwords and a new key, and the former ones still work', async () => {
  const harness = await start();
  const { id } = await availableAddon(harness);
  const before = { password: password(harness, id), role: writer(harness), keys: appKeys(harness) };
  await age(harness, 'due_at', 1);
  expect(await settle(harness, id)).toEqual(['serve', 'makeNextCredentials', 'announceCredentials', 'serve']);
  expect(password(harness, id)).not.toBe(before.password);
  const role = writer(harness);
  expect(role.name).toBe(before.role.name);
  expect(role.verifiers).toHaveLength(2);
  expect(role.verifiers[1]).toBe(before.role.verifiers[0]);
  const [now, former] = role.verifiers.map(parseVerifier);
  expect(now!.salt).toEqual(former!.salt);
  expect(appKeys(harness)).toEqual([expect.any(String), before.keys[0]]);
  expect(await events(harness)).toContain('client-app-credentials-auto-rotated');
});

test('while the platform is being told both sets are let in, and neither is lost when it does not answer', async () => {
  const harness = await start();
  const { id } = await availableAddon(harness);
  const before = password(harness, id);
  await age(harness, 'due_at', 1);
  harness.platform.outage = 500;
  await settle(harness, id);
  expect([await state(harness), password(harness, id)]).toEqual(['announcing', before]);
  expect(writer(harness).verifiers).toHaveLength(2);
  const waiting = writer(harness).verifiers;
  await age(harness, 'announced_at', 1000);
  await settle(harness, id);
  expect(writer(harness).verifiers).toEqual(waiting);
  harness.platform.outage = null;
  await age(harness, 'due_at', 0);
  await settle(harness, id);
  // The same next credentials, not others again.
  expect(writer(harness).verifiers).toEqual([...waiting].reverse());
  expect(await state(harness)).toBe('overlap');
});

test.each([
  ['not before 25 hours, though nobody uses them', 24, false, true],
  ['after 25 hours when nobody uses them', 26, false, false],
  ['not while somebody is in by them', 26, true, true],
  ['after 72 hours whoever is in by them, and then his session ends', 73, true, false],
])('the former credentials end %s', async (_name, hours, used, works) => {
  const harness = await start();
  const { id } = await availableAddon(harness);
  const role = writer(harness);
  const former = verifierDigest(role.verifiers[0]!);
  const fingerprint = keyFingerprint(appKeys(harness)[0]!);
  const username = harness.engine.access.tunnelUsers[0]!.username;
  await age(harness, 'due_at', 1);
  await settle(harness, id);
  if (used) {
    harness.engine.use.sessions.push({ role: role.name, verifierDigest: former, count: 1 });
    harness.engine.use.tunnels.push({ username, fingerprint, count: 1 });
  }
  await age(harness, 'announced_at', hours);
  await settle(harness, id);
  expect(writer(harness).verifiers).toHaveLength(works ? 2 : 1);
  expect(appKeys(harness)).toHaveLength(works ? 2 : 1);
  expect(await state(harness)).toBe(works ? 'overlap' : 'waiting');
  const ended = harness.engine.closed.map(({ credentials }) => credentials);
  if (used && !works) expect(ended).toEqual([{ fingerprints: [fingerprint], verifierDigests: [former] }]);
  else expect(ended).toEqual(works ? [] : [{ fingerprints: [], verifierDigests: [] }]);
});

test('former credentials that are still used are looked at again when their longest time is over, if not before', async () => {
  const harness = await start();
  const { id } = await availableAddon(harness);
  const role = writer(harness);
  const verifier = role.verifiers[0]!;
  await age(harness, 'due_at', 1);
  await settle(harness, id);
  harness.engine.use.sessions.push({ role: role.name, verifierDigest: verifierDigest(verifier), count: 1 });
  await age(harness, 'announced_at', 72 - 1 / 60);
  await settle(harness, id);
  const { rows } = await harness.pool.query(
    `select extract(epoch from run_at - now())::float8 as seconds from strands.strand where id = $1`,
    [id],
  );
  expect(rows[0].seconds).toBeGreaterThan(0);
  expect(rows[0].seconds).toBeLessThanOrEqual(60);
});

test('an engine that cannot tell who is in keeps the former credentials working', async () => {
  const harness = await start();
  const { id } = await availableAddon(harness);
  await age(harness, 'due_at', 1);
  await settle(harness, id);
  await age(harness, 'announced_at', 26);
  harness.engine.before = (name) => {
    if (name === 'credentialUse') throw new Error('silent');
  };
  await settle(harness, id);
  expect([await state(harness), writer(harness).verifiers.length]).toEqual(['overlap', 2]);
});

test('the operator renews now, but not within an overlap', async () => {
  const harness = await start();
  const { id } = await availableAddon(harness);
  const rotate = () =>
    harness.service.app.inject({
      ...{ method: 'POST', url: `/operator/addons/${id}/rotate` },
      headers: { authorization: OPERATOR },
    });
  const before = password(harness, id);
  expect((await rotate()).statusCode).toBe(202);
  await settle(harness, id);
  expect(password(harness, id)).not.toBe(before);
  const again = await rotate();
  expect([again.statusCode, again.json().message]).toEqual([409, expect.stringContaining('still being introduced')]);
});

/** Asks for a reset and lets the strand do it. */
async function reset(harness: Harness, addon: { id: string; name: string; token: string }) {
  const answer = call(harness.service, addon.token, 'DELETE', `${addon.name}/db-users/credentials`);
  while ((await state(harness)) === 'waiting' || (await state(harness)) === 'overlap') await new Promise(setImmediate);
  await settle(harness, addon.id);
  return answer;
}

test('a reset makes everything anew, lets nothing former in, and ends every former session', async () => {
  const harness = await start();
  const addon = await availableAddon(harness);
  await call(harness.service, addon.token, 'POST', `${addon.name}/personal-ssh-users`);
  await call(harness.service, addon.token, 'POST', `${addon.name}/personal-db-users`, { enableWriteAccess: true });
  const before = { role: writer(harness), url: config(harness, addon.id).BOREALIS_PG_URL };
  const former = verifierDigest(before.role.verifiers[0]!);
  harness.engine.use.sessions.push({ role: before.role.name, verifierDigest: former, count: 3 });
  const answer = await reset(harness, addon);
  expect([answer.statusCode, answer.json()]).toEqual([200, { success: true }]);
  expect(config(harness, addon.id).BOREALIS_PG_URL).not.toBe(before.url);
  expect(writer(harness).verifiers).toHaveLength(1);
  expect(writer(harness).verifiers[0]).not.toBe(before.role.verifiers[0]);
  const personal = harness.engine.access.roles.find(({ name }) => name.startsWith('p_rw_'))!;
  expect(personal.verifiers).toEqual([]);
  expect(harness.engine.access.tunnelUsers.map(({ kind }) => kind)).toEqual(['app']);
  const [closed] = harness.engine.closed;
  expect(closed!.credentials).toEqual({ fingerprints: [], verifierDigests: [former] });
  expect(closed!.roles).toContain(personal.name);
  expect(await events(harness)).toContain('db-credentials-full-reset');
  const info = (await call(harness.service, addon.token, 'GET', addon.name)).json();
  expect(info.status).toBe('available');
});

test('a reset within an overlap leaves none of the three sets but the newest', async () => {
  const harness = await start();
  const addon = await availableAddon(harness);
  await age(harness, 'due_at', 1);
  await settle(harness, addon.id);
  const known = writer(harness).verifiers;
  await reset(harness, addon);
  const { verifiers } = writer(harness);
  expect(verifiers).toHaveLength(1);
  expect(known).not.toContain(verifiers[0]);
  const key = parseConnInfo(config(harness, addon.id).BOREALIS_PG_TUNNEL_BPG_CONN_INFO!).SSH_USER_PRIVATE_KEY;
  expect(key).toContain('OPENSSH PRIVATE KEY');
  expect(appKeys(harness)).toHaveLength(1);
});

test('a reset within an overlap whose document the engine has, though nobody noted it, comes to its end', async () => {
  const harness = await start();
  const addon = await availableAddon(harness);
  await age(harness, 'due_at', 1);
  await settle(harness, addon.id);
  // What is left when the service dies after the engine took the document, or the cluster was recovering just then.
  await harness.pool.query('update cluster set applied_revision = applied_revision - 1');
  const answer = await reset(harness, addon);
  expect(answer.statusCode).toBe(200);
  expect([await state(harness), writer(harness).verifiers.length]).toEqual(['waiting', 1]);
});

test.each([
  ['applyAccess', 'announceCredentials', 'due_at', 1],
  ['credentialUse', 'endFormerCredentials', 'announced_at', 73],
] as const)(
  'an engine that fails in %s during %s never keeps the add-on from being served',
  async (what, label, column, hours) => {
    const harness = await start();
    const { engine, service } = harness;
    const { id } = await availableAddon(harness);
    await age(harness, 'due_at', 1);
    if (label === 'endFormerCredentials') await settle(harness, id);
    await age(harness, column, hours);
    await stepTo(service, id, label);
    engine.before = (name) => {
      if (name === what) throw new Error('broken');
    };
    const ran: string[] = [];
    for (let tries = 0; tries < 12; tries++) {
      const result = await service.strands.step(id);
      ran.push(`${result!.label} ${result!.outcome}`);
      expect(await service.strands.describe(id)).toMatchObject({ parked: false });
    }
    expect(ran.slice(0, 2)).toEqual([`${label} go`, 'serve nap']);
    engine.before = () => {};
    await age(harness, 'due_at', 0);
    await settle(harness, id);
    expect(await state(harness)).toBe(label === 'endFormerCredentials' ? 'waiting' : 'overlap');
  },
);

test('while a reset is under way it is not started again, and nobody gets credentials', async () => {
  const harness = await start();
  const addon = await availableAddon(harness);
  const { pool, service } = harness;
  await pool.query(`update addon set status = 'maintenance-db-credentials-full-reset'`);
  const again = await call(service, addon.token, 'DELETE', `${addon.name}/db-users/credentials`);
  expect([again.statusCode, again.json().reason]).toEqual([400, expect.stringContaining('maintenance')]);
  const person = await call(service, addon.token, 'POST', `${addon.name}/personal-ssh-users`);
  expect([person.statusCode, person.json().reason]).toEqual([503, expect.stringContaining('being reset')]);
});

test.each(['makeNextCredentials', 'announceCredentials', 'endFormerCredentials'])(
  'a service that dies in %s of a reset leaves one that another finishes',
  async (label) => {
    const harness = await start();
    const addon = await availableAddon(harness);
    const before = writer(harness).verifiers[0];
    const answer = call(harness.service, addon.token, 'DELETE', `${addon.name}/db-users/credentials`);
    while ((await state(harness)) === 'waiting') await new Promise(setImmediate);
    await stepTo(harness.service, addon.id, label);
    // Its work is done and nothing of it is recorded: what a kill before the commit leaves.
    const another = await harness.another();
    await harness.pool.query(`create function refuse() returns trigger language plpgsql as $$ begin raise 'killed here'; end $$;
      create trigger refuse before insert on strands.strand_log execute function refuse()`);
    await harness.service.strands.step(addon.id);
    await harness.pool.query('drop trigger refuse on strands.strand_log');
    await harness.pool.query(`update strands.strand set lease = null, lease_until = null, tries = 0`);
    await settle({ ...harness, service: another }, addon.id);
    expect((await answer).statusCode).toBe(200);
    expect(writer(harness).verifiers).toHaveLength(1);
    expect(writer(harness).verifiers[0]).not.toBe(before);
    const url = new URL(config(harness, addon.id).BOREALIS_PG_URL!);
    expect(url.username).toBe(writer(harness).name);
  },
);
