import { type ChangeQuery, changeQuery } from '@borealis/contract';
import { EngineError } from '@borealis/engine';
import { z } from 'zod';
import { toMicroseconds } from '../copies/moment.js';

const checked = changeQuery.extend({
  since: z
    .string()
    .refine((text) => toMicroseconds(text) !== null, 'must be a time with a zone')
    .nullable(),
});

/** Throws `unsupported` for what is not understood. */
export function checkChangeQuery(query: unknown): ChangeQuery {
  const parsed = checked.safeParse(query);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new EngineError('unsupported', `The search is refused: ${issue?.path.join('.')}: ${issue?.message}.`);
}
