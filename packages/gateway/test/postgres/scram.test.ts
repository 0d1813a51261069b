import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { makeVerifier, type ScramVerifier, Secret } from '@borealis/contract';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Refused } from '../../src/postgres/refusals.js';
import { ClientExchange, SaltedPasswords } from '../../src/postgres/scram/client-exchange.js';
import { makeChallenge } from '../../src/postgres/scram/mock-challenge.js';
import { SCRAM, SCRAM_PLUS, type ScramChallenge, ServerExchange } from '../../src/postgres/scram/server-exchange.js';

const SECRET = Buffer.alloc(32, 1);
const BINDING = Buffer.alloc(32, 2);
/** A verifier that is named by its password. */
const known = async (password: string, like?: ScramVerifier) => ({
  ...(await makeVerifier(password, like)),
  digest: password,
});
let challenge: ScramChallenge;
beforeAll(async () => {
  const first = await known('first');
  challenge = makeChallenge(SECRET, 'app_rw_a', [first, await known('second', first)]);
});

const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest();

/** A client's final message, by the book, with what it binds to. */
function answer(password: string, serverFirst: string, gs2: string, binding: Buffer = Buffer.alloc(0)): string {
  const [, nonce, salt, iterations] = /^r=(.*),s=(.*),i=(\d+)$/.exec(serverFirst)!;
  const salted = pbkdf2Sync(password, Buffer.from(salt!, 'base64'), Number(iterations), 32, 'sha256');
  const clientKey = hmac(salted, 'Client Key');
  const c = Buffer.concat([Buffer.from(gs2), binding]).toString('base64');
  const final = `c=${c},r=${nonce}`;
  const signature = hmac(createHash('sha256').update(clientKey).digest(), `n=,r=nonce,${serverFirst},${final}`);
  return `${final},p=${Buffer.from(clientKey.map((byte, i) => byte ^ signature[i]!)).toString('base64')}`;
}

const code = (attempt: () => unknown): string => {
  try {
    attempt();
  } catch (error) {
    return (error as Refused).code;
  }
  return 'none';
};

describe('the server’s side', () => {
  test('knows both passwords and no third, and proves that it does', async () => {
    for (const password of ['first', 'second', 'third']) {
      const exchange = new ServerExchange(SCRAM, 'n,,n=,r=nonce', challenge, BINDING);
      const success = exchange.finish(answer(password, exchange.serverFirst, 'n,,'));
      if (password === 'third') expect(success).toBeNull();
      else expect(success).toEqual({ serverFinal: expect.stringMatching(/^v=[A-Za-z0-9+/]{43}=$/), digest: password });
    }
  });

  test('takes the certificate’s hash, and none but this one', () => {
    const gs2 = 'p=tls-server-end-point,,';
    const final = (binding: Buffer, header = gs2) => {
      const exchange = new ServerExchange(SCRAM_PLUS, `${gs2}n=,r=nonce`, challenge, BINDING);
      return exchange.finish(answer('first', exchange.serverFirst, header, binding));
    };
    expect(final(BINDING)?.serverFinal).toMatch(/^v=/);
    expect(code(() => final(Buffer.alloc(32, 3)))).toBe('scram_binding');
    expect(code(() => final(Buffer.alloc(0)))).toBe('scram_binding');
    expect(code(() => final(BINDING, 'n,,'))).toBe('scram_binding');
  });

  test.each([
    [SCRAM, 'y,,n=,r=nonce', BINDING, 'scram_downgrade'],
    [SCRAM, 'y,,n=,r=nonce', null, 'none'],
    [SCRAM, 'n,,n=,r=nonce', BINDING, 'none'],
    [SCRAM, 'n,,n=*,r=nonce', BINDING, 'none'],
    [SCRAM, 'p=tls-server-end-point,,n=,r=nonce', BINDING, 'scram_malformed'],
    [SCRAM_PLUS, 'n,,n=,r=nonce', BINDING, 'scram_malformed'],
    [SCRAM_PLUS, 'p=tls-unique,,n=,r=nonce', BINDING, 'scram_malformed'],
    [SCRAM, 'n,a=postgres,n=,r=nonce', BINDING, 'scram_identity'],
    [SCRAM, 'n,,m=ext,n=,r=nonce', BINDING, 'scram_malformed'],
    [SCRAM, 'n,,n=,r=', BINDING, 'scram_malformed'],
    [SCRAM, 'x,,n=,r=nonce', BINDING, 'scram_malformed'],
    [SCRAM, '', BINDING, 'scram_malformed'],
  ])('%s: "%s" with binding %s gives %s', (mechanism, first, binding, expected) => {
    expect(code(() => new ServerExchange(mechanism, first, challenge, binding))).toBe(expected);
  });

  test.each([
    '',
    'c=biws',
    'c=biws,r=other,p=AAAA',
    'r=x,c=biws,p=AAAA',
    'c=biws,r=NONCE,p=AAAA',
    'c=biws,r=NONCE,x=1,p=AAAA',
  ])('refuses the final message "%s"', (final) => {
    const exchange = new ServerExchange(SCRAM, 'n,,n=,r=nonce', challenge, BINDING);
    const nonce = exchange.serverFirst.slice(2, exchange.serverFirst.indexOf(',s='));
    expect(code(() => exchange.finish(final.replace('NONCE', nonce)))).toBe('scram_malformed');
  });

  test('shows an unknown role a steady salt of its own, in a challenge of the same shape', async () => {
    const unknown = makeChallenge(SECRET, 'nobody', []);
    expect(makeChallenge(SECRET, 'nobody', [])).toEqual(unknown);
    expect(makeChallenge(SECRET, 'somebody', []).salt).not.toEqual(unknown.salt);
    expect(makeChallenge(Buffer.alloc(32, 9), 'nobody', []).salt).not.toEqual(unknown.salt);
    const one = makeChallenge(SECRET, 'app_rw_a', [await known('only')]);
    for (const { salt, iterations, keys } of [unknown, one, challenge]) {
      expect([salt.length, iterations, keys.length]).toEqual([16, 4096, 2]);
    }
  });
});

describe('the client’s side', () => {
  const passwords = new SaltedPasswords(new Secret('first'));

  test('logs in, and checks that the server knows the password', async () => {
    const client = new ClientExchange(passwords);
    const server = new ServerExchange(SCRAM, client.clientFirst, challenge, null);
    const success = server.finish(await client.clientFinal(server.serverFirst))!;
    expect(() => client.verify(success.serverFinal)).not.toThrow();
    expect(() => client.verify(`v=${Buffer.alloc(32).toString('base64')}`)).toThrow(/does not know/);
  });

  test('takes no server message that is not for it, or asks for too much', async () => {
    const client = new ClientExchange(passwords);
    await expect(client.clientFinal('r=other,s=AAAA,i=4096')).rejects.toThrow();
    const nonce = client.clientFirst.slice('n,,n=,r='.length);
    await expect(client.clientFinal(`r=${nonce}x,s=AAAA,i=999999999`)).rejects.toThrow();
    await expect(client.clientFinal(`r=${nonce}x,s=AAAA,i=0`)).rejects.toThrow();
  });
});
