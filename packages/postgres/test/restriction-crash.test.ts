import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyRoles, connect } from '../src/index.js';
import { catalogue, content } from './restriction/catalogue.js';
import { makeTenant, OWNER, type Tenant, wanted } from './restriction/tenant.js';

const isFull = process.env.BOREALIS_TEST === 'full';
/** Statements between two crashes that are tried. */
const STRIDE = 5;

describe.skipIf(!isFull)('a restriction of PostgreSQL 16', () => {
  let tenant: Tenant;
  let before: string[];
  let locked: string[];
  let contentBefore: unknown;

  beforeAll(async () => {
    tenant = await makeTenant('16');
    // More than one transaction locks and one page gives back.
    const tables = Array.from({ length: 100 }, (_, n) => `create table many.t${n} (id serial)`);
    await tenant.run(OWNER, ['create schema many', ...tables].join(';'));
    await tenant.lift();
    before = await catalogue(tenant);
    contentBefore = await content(tenant);
    await tenant.restrict();
    locked = await catalogue(tenant);
    await tenant.lift();
  });
  afterAll(() => tenant.server.remove());

  /**
   * Applies the document and dies at one of its statements, as a killed process does: all connections are gone at once. An even
   * one was never sent, an odd one was and may still run. Only statements that match count. False when there are fewer, and all
   * went well.
   */
  async function dieAt(statement: number, restricted: boolean, matching = /^/): Promise<boolean> {
    const clients: pg.Client[] = [];
    let count = 0;
    const connectTo = async (database: string) => {
      const client = await connect(tenant.server.spec, database);
      clients.push(client);
      const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
      client.query = ((...args: unknown[]) => {
        if (!matching.test(String(args[0])) || count++ < statement) return query(...args);
        if (statement % 2 === 1) query(...args).catch(() => {});
        // Only after what was just sent is on its way.
        setImmediate(() => {
          for (const { connection } of clients as unknown as { connection: { stream: { destroy(): void } } }[])
            connection.stream.destroy();
        });
        return Promise.reject(new Error('killed'));
      }) as typeof client.query;
      return client;
    };
    return applyRoles(connectTo, wanted(restricted)).then(
      () => false,
      (error) => {
        if (error.message !== 'killed') throw error;
        return true;
      },
    );
  }

  it(
    'comes to the same end, or is lifted whole, wherever it was killed',
    async () => {
      for (let statement = 0; await dieAt(statement, true); statement += STRIDE) {
        await tenant.lift();
        expect(await catalogue(tenant), `lifted after a kill at statement ${statement}`).toEqual(before);
        await dieAt(statement, true);
        await tenant.restrict();
        expect(await catalogue(tenant), `locked after a kill at statement ${statement}`).toEqual(locked);
        await tenant.lift();
      }
      expect(await catalogue(tenant)).toEqual(locked);
      expect(await content(tenant)).toEqual(contentBefore);
      await tenant.lift();
    },
    20 * 60_000,
  );

  it('knows the former owner of what followed a table in an earlier transaction', async () => {
    expect(await dieAt(2, true, /insert into restriction.objects/)).toBe(true);
    await tenant.restrict();
    expect(await catalogue(tenant)).toEqual(locked);
    await tenant.lift();
    expect(await catalogue(tenant)).toEqual(before);
  });

  it(
    'gives everything back, or is locked whole again, wherever its lifting was killed',
    async () => {
      await tenant.restrict();
      for (let statement = 0; await dieAt(statement, false); statement += STRIDE) {
        await tenant.restrict();
        expect(await catalogue(tenant), `locked after a kill at statement ${statement}`).toEqual(locked);
        await dieAt(statement, false);
        await tenant.lift();
        expect(await catalogue(tenant), `lifted after a kill at statement ${statement}`).toEqual(before);
        await tenant.restrict();
      }
      expect(await catalogue(tenant)).toEqual(before);
      expect(await content(tenant)).toEqual(contentBefore);
    },
    20 * 60_000,
  );
});
