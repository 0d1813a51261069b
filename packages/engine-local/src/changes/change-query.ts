import { CHANGE_KINDS, type ChangeQuery, EngineError } from '@borealis/engine';
import { z } from 'zod';
import { toMicroseconds } from '../copies/moment.js';

const NAME = z.string().min(1).max(63);

const changeQuery = z.object({
  search: z.string().min(8).max(64),
  table: z.object({ schema: NAME.nullable(), name: NAME }).nullable(),
  kinds: z.array(z.enum(CHANGE_KINDS)).min(1),
  since: z
    .string()
    .refine((text) => toMicroseconds(text) !== null, 'must be a time with a zone')
    .nullable(),
});

/** Throws `unsupported` for what is not understood. */
export function checkChangeQuery(query: unknown): ChangeQuery {
  const parsed = changeQuery.safeParse(query);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new EngineError('unsupported', `The search is refused: ${issue?.path.join('.')}: ${issue?.message}.`);
}
