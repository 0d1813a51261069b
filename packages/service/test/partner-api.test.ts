import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { deprovision, provision, provisionRequest, stepTo, useService } from './support/harness.js';

const start = useService();

test('a request is taken on with one row and one strand, and every copy of it gets the same answer', async () => {
  const { service, platform, pool } = await start();
  const request = provisionRequest(platform);
  const answers = await Promise.all(Array.from({ length: 8 }, () => provision(service, request)));
  answers.push(await provision(service, { ...request, uuid: request.uuid.toUpperCase() }));
  expect(answers.map((answer) => answer.statusCode)).toEqual(Array(9).fill(202));
  expect(new Set(answers.map((answer) => answer.body)).size).toBe(1);
  expect(answers[0]!.json().id).toBe(request.uuid);
  expect((await pool.query('select from addon')).rowCount).toBe(1);
  expect((await pool.query('select from strands.strand')).rowCount).toBe(1);
  expect((await pool.query('select from local_port')).rowCount).toBe(2);
});

test.each([
  ['an unknown plan', { plan: 'huge' }, /no plan "huge".*x1-s10-p1-r1/],
  ['an unknown version', { options: { version: '9.6' } }, /"9.6" is not supported.*13, 14, 15, 16, 17, 18/],
  ['a version that is a flag', { options: { version: true } }, /"true" is not supported/],
  ['an unknown region', { region: 'amazon-web-services::mars-1' }, /"mars-1" is not supported.*us-east-1/],
  ['a restore token that was never given out', { options: { 'restore-token': 'x' } }, /token is not valid/],
  ['an empty restore token', { options: { 'restore-token': '' } }, /token is not valid/],
  ['a moment without a token', { options: { 'restore-to-time': '2020-01-01T00:00Z' } }, /needs a "restore-token"/],
])('%s is refused with a sentence and leaves nothing', async (_what, change, sentence) => {
  const { service, platform, pool } = await start();
  const answer = await provision(service, provisionRequest(platform, change));
  expect(answer.statusCode).toBe(422);
  expect(answer.json().message).toMatch(sentence);
  expect((await pool.query('select from addon')).rowCount).toBe(0);
  expect((await pool.query('select from strands.strand')).rowCount).toBe(0);
});

test('unknown fields and options are let be, and the major that is asked for is made', async () => {
  const { service, platform, engine } = await start();
  const request = provisionRequest(platform, { options: { version: '18', foo: 'bar' }, brand_new: { a: 1 } });
  expect((await provision(service, request)).statusCode).toBe(202);
  await stepTo(service, request.uuid, 'waitCluster');
  expect([...engine.clusters.values()].map((cluster) => cluster.spec.major)).toEqual(['18']);
});

test.each([
  ['no JSON', '{"plan":', 400, /not valid JSON/],
  ['a missing field', { plan: 'x1-s10-p1-r1' }, 400, /"(name|region|uuid)"|name|region/],
  ['a wrong type', { plan: 5, name: 'a', region: 'us-east-1', uuid: randomUUID() }, 400, /"plan"/],
  ['an id that is no uuid', { plan: 'x1-s10-p1-r1', name: 'a', region: 'us-east-1', uuid: 'x' }, 400, /"uuid"/],
  ['a NUL', '{"plan":"x1-s10-p1-r1","name":"a\\u0000","region":"us-east-1","uuid":"x"}', 400, /NUL/],
  ['a body that is too large', { name: 'x'.repeat(70_000) }, 413, /not be larger than 65536 bytes/],
])('%s gets a sentence', async (_what, payload, status, sentence) => {
  const { service, pool } = await start();
  const answer = await provision(service, payload as object);
  expect(answer.statusCode).toBe(status);
  expect(answer.json().message).toMatch(sentence);
  expect((await pool.query('select from addon')).rowCount).toBe(0);
});

test('only the platform gets in', async () => {
  const { service, platform } = await start();
  const request = provisionRequest(platform);
  const wrong = [undefined, 'Basic ###', `Basic ${Buffer.from('borealis-pg:wrong').toString('base64')}`, 'Bearer x'];
  for (const authorization of wrong) {
    const headers = { ...(authorization && { authorization }) };
    const answer = await service.app.inject({ method: 'POST', url: '/heroku/resources', headers, payload: request });
    expect(answer.statusCode).toBe(401);
  }
});

test('removal is accepted once and gone after that; a late copy of the first request brings nothing back', async () => {
  const { service, platform, pool, engine } = await start();
  const request = provisionRequest(platform);
  await provision(service, request);
  await stepTo(service, request.uuid, 'waitCluster');
  const answers = await Promise.all([1, 2, 3].map(() => deprovision(service, request.uuid)));
  expect(answers.map((answer) => answer.statusCode).sort()).toEqual([204, 410, 410]);
  await stepTo(service, request.uuid, null);
  expect((await deprovision(service, request.uuid)).statusCode).toBe(410);
  expect((await deprovision(service, randomUUID())).statusCode).toBe(410);
  const late = await provision(service, request);
  expect([late.statusCode, late.json().message]).toEqual([422, expect.stringMatching(/has been destroyed/)]);
  expect((await pool.query('select from addon')).rowCount).toBe(0);
  expect(engine.clusters.size).toBe(0);
});

test('a request that is still under way when the platform takes it back makes nothing', async () => {
  const { service, platform, pool, engine } = await start();
  const request = provisionRequest(platform);
  let goOnWith = () => {};
  const hanging = new Promise<void>((resolve) => {
    engine.before = () =>
      new Promise<void>((goOn) => {
        goOnWith = goOn;
        resolve();
      });
  });
  const late = provision(service, request);
  await hanging;
  expect((await deprovision(service, request.uuid)).statusCode).toBe(410);
  goOnWith();
  expect([(await late).statusCode, (await late).json().message]).toEqual([
    422,
    expect.stringMatching(/has been destroyed/),
  ]);
  expect((await pool.query('select from addon')).rowCount).toBe(0);
  expect((await pool.query('select from strands.strand')).rowCount).toBe(0);
});
