import { type Contents, restoredContents, type ServerSpec } from '../../src/index.js';

/** All rows, large objects and numbers of objects of the tenant's database. */
export function contentsOf(spec: ServerSpec): Promise<Contents> {
  return restoredContents(spec, 'tenant', new AbortController().signal);
}
