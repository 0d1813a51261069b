import { z } from 'zod';

/** The parts of the Platform API that the service calls back, only with the fields it reads. */

export const platformAddon = z.looseObject({
  id: z.string(),
  name: z.string(),
  state: z.string(),
  app: z.looseObject({ id: z.string(), name: z.string() }),
  addon_service: z.looseObject({ name: z.string() }).optional(),
  plan: z.looseObject({ name: z.string() }),
  log_input_url: z.string().nullish(),
});
export type PlatformAddon = z.infer<typeof platformAddon>;

export const platformApp = z.looseObject({
  id: z.string(),
  name: z.string(),
  owner: z.looseObject({ email: z.string() }),
});
export type PlatformApp = z.infer<typeof platformApp>;

export const platformAccount = z.looseObject({ id: z.string(), email: z.string() });

export const platformConfig = z.array(z.looseObject({ name: z.string(), value: z.string().nullable() }));

export const configPatch = z.object({
  config: z.array(z.object({ name: z.string(), value: z.string().nullable() })),
});

export const platformError = z.looseObject({ id: z.string().optional(), message: z.string() });
