import { z } from 'zod';

const refusedRelease = z.object({ version: z.string(), reason: z.string(), at: z.string() });

/**
 * `npm`: by the packages that this version of Borealis names. `system`: by a copy of what the machine's own package manager installed. A
 * cluster keeps one for life: they differ in the libraries that they sort by.
 */
export const POSTGRES_BUILDS = ['npm', 'system'] as const;
export type PostgresBuild = (typeof POSTGRES_BUILDS)[number];

/** Minor releases of PostgreSQL for the operator: what there is, what runs, and what is going to be put in place. */
export const releaseOverview = z.object({
  /** False: only the operator puts releases in place. */
  automatic: z.boolean(),
  releases: z.array(
    z.object({
      major: z.string(),
      /** The newest there is of the npm packages, PostgreSQL's own number. */
      version: z.string(),
      /** What the machine has itself, where that is used; null: nothing. */
      system: z.string().nullable(),
      /** False: it is fetched when it is first needed. */
      cached: z.boolean(),
      /** Releases of this major that failed where the one before them does not: they are put in place nowhere. */
      refused: z.array(refusedRelease),
    }),
  ),
  clusters: z.array(
    z.object({
      id: z.string(),
      tenancy: z.enum(['isolated', 'shared']),
      major: z.string(),
      /** What it runs; null while that is not known. */
      version: z.string().nullable(),
      build: z.enum(POSTGRES_BUILDS),
      addons: z.array(z.object({ id: z.string(), name: z.string() })),
      /** Null: nothing was noticed for it yet. */
      rollout: z
        .object({
          version: z.string(),
          state: z.enum(['planned', 'running', 'done', 'failed', 'held']),
          /** Of a planned one: not before. */
          dueAt: z.string(),
          error: z.string().nullable(),
        })
        .nullable(),
    }),
  ),
});
export type ReleaseOverview = z.infer<typeof releaseOverview>;

/** When an add-on's minor releases are put in place, in UTC. */
export const maintenanceWindow = z.object({
  /** Of the week, 0 is Sunday; null: any. */
  day: z.number().int().min(0).max(6).nullable(),
  /** Of the day. */
  hour: z.number().int().min(0).max(23),
});
export type MaintenanceWindow = z.infer<typeof maintenanceWindow>;

export const maintenanceWindowAnswer = z.object({
  /** What the operator has chosen; null: a time of the night that follows from the add-on's id. */
  chosen: maintenanceWindow.nullable(),
  /** The window that is open, or the next one. */
  next: z.object({ begin: z.string(), end: z.string() }),
});
export type MaintenanceWindowAnswer = z.infer<typeof maintenanceWindowAnswer>;
