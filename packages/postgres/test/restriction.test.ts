import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { catalogue, content } from './restriction/catalogue.js';
import { makeTenant, OWNER, PERSON, READER, ROLES, type Tenant } from './restriction/tenant.js';
import { majors } from './support.js';

describe.each(majors)('a restricted database of PostgreSQL %s', (major) => {
  let tenant: Tenant;
  let before: string[];
  let contentBefore: unknown;

  beforeAll(async () => {
    tenant = await makeTenant(major);
    before = await catalogue(tenant);
    contentBefore = await content(tenant);
  });
  afterAll(() => tenant.server.remove());

  it('is locked, locked again and lifted with nothing changed', async () => {
    await tenant.restrict();
    await expect(tenant.run(OWNER, `insert into t (v) values ('no')`)).rejects.toThrow(/permission denied for table t/);
    const locked = await catalogue(tenant);
    expect(locked).not.toEqual(before);
    await tenant.restrict();
    expect(await catalogue(tenant)).toEqual(locked);
    expect(await content(tenant)).toEqual(contentBefore);
    await tenant.lift();
    expect(await catalogue(tenant)).toEqual(before);
    expect(await content(tenant)).toEqual(contentBefore);
  });
});
