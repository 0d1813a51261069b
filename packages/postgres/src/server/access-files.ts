import { type ServerSpec, TENANT_ROLE_PATTERN } from './spec.js';

const MAP = 'tenant';
const KEEPER_MAP = 'keeper';

/**
 * pg_hba.conf: the superuser and standbys by password, tenants' roles by peer or password, all else refused. From major 16 on a
 * pattern names the tenants' roles; before, each role must be named.
 */
export function hostBasedAccess(spec: ServerSpec): string {
  if (spec.closedFor !== undefined)
    return [`local all ${spec.superuser.name} peer map=${KEEPER_MAP}`, 'local all all reject', ''].join('\n');
  const superuser = `local all ${spec.superuser.name} scram-sha-256`;
  return [superuser, ...standbyRules(spec), ...tenantRules(spec), REFUSAL, ''].join('\n');
}

const REFUSAL = 'local all all reject';

/** A standby's role is let in to be fed, and to no database. */
function standbyRules({ replicationRole }: ServerSpec): string[] {
  if (replicationRole === undefined) return [];
  return [`local replication ${replicationRole} scram-sha-256`, `local all ${replicationRole} reject`];
}

function tenantRules(spec: ServerSpec): string[] {
  if (spec.access.method === 'none') return [];
  const method = spec.access.method === 'peer' ? `peer map=${MAP}` : 'scram-sha-256';
  if (knowsPatterns(spec)) return [`local all "/${TENANT_ROLE_PATTERN}" ${method}`];
  if (spec.access.method === 'scram') return [`local all all ${method}`];
  const roles = checkedRoles(spec.access.roles);
  return roles.length === 0 ? [] : [`local all ${roles.join(',')} ${method}`];
}

/** pg_ident.conf: the gateway's OS user, and nobody else, is every tenant's role. The server's own user is none. */
export function userMaps(spec: ServerSpec): string {
  if (spec.closedFor !== undefined) return `${KEEPER_MAP} ${quoted(spec.closedFor)} ${spec.superuser.name}\n`;
  if (spec.access.method !== 'peer') return '';
  const { gatewayOsUser, roles } = spec.access;
  if (!/^[a-z_][a-z0-9_-]*$/.test(gatewayOsUser)) {
    throw new Error(`"${gatewayOsUser}" is not a user name that PostgreSQL's user map can hold.`);
  }
  const names = knowsPatterns(spec) ? [`"/${TENANT_ROLE_PATTERN}"`] : checkedRoles(roles);
  return names.map((name) => `${MAP} ${gatewayOsUser} ${name}\n`).join('');
}

/** An OS user's name as the map reads it literally; one with a slash in front would be a pattern. */
function quoted(osUser: string): string {
  if (!/^[^/"\s\p{Cc}][^"\p{Cc}]*$/u.test(osUser))
    throw new Error(`"${osUser}" is not a user name that PostgreSQL's user map can hold.`);
  return `"${osUser}"`;
}

function knowsPatterns(spec: ServerSpec): boolean {
  return Number(spec.release.major) >= 16;
}

function checkedRoles(roles: readonly string[]): string[] {
  const pattern = new RegExp(TENANT_ROLE_PATTERN);
  const wrong = roles.find((role) => !pattern.test(role) || role.includes('\n'));
  if (wrong !== undefined) throw new Error(`"${wrong}" is not the name of a tenant's role.`);
  return [...roles].sort();
}
