import { credentialNames, gatewayRole, POSTGRES_MAJORS, tunnelUser } from '@borealis/contract';
import { z } from 'zod';

const databaseName = z.string().regex(/^[a-z][a-z0-9_]{0,62}$/);
const renames = z.array(z.object({ from: databaseName, to: databaseName }));

const clusterOrigin = z.object({
  clusterId: z.string(),
  fromStore: z.literal(true).optional(),
  moment: z.iso.datetime({ offset: true }).nullable(),
  renames: z.object({ databases: renames, roles: renames }),
});

/** The engine's documents as they cross the socket and stand in the journal. */
export const clusterSpec = z.object({
  major: z.enum(POSTGRES_MAJORS),
  tenancy: z.enum(['isolated', 'shared']),
  nodes: z.number().int().min(1),
  vcpu: z.number().min(0),
  memoryGiB: z.number().min(0),
  storageGiB: z.number().min(0),
  origin: clusterOrigin.optional(),
});

export const clusterAccess = z.object({
  revision: z.number().int().min(1),
  databases: z.array(z.object({ name: databaseName, owner: z.string(), restricted: z.boolean().optional() })),
  roles: z.array(gatewayRole),
  tunnelUsers: z.array(tunnelUser),
});

export const sessionOwners = z.object({
  tunnelUsers: z.array(z.string()),
  roles: z.array(z.string()),
  credentials: credentialNames.optional(),
});
