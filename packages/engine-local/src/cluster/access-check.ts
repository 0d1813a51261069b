import { parseVerifier } from '@borealis/contract';
import { type ClusterAccess, EngineError } from '@borealis/engine';
import ssh2 from 'ssh2';
import { clusterAccess } from './schemas.js';

/**
 * Checks the document as a whole before anything is changed, so that no part of it can fail half-way for good. Returns it in
 * an order of its own, in which equal documents are equal texts. Throws `unsupported` with one sentence.
 */
export function checkAccess(document: unknown): ClusterAccess {
  const parsed = clusterAccess.safeParse(document);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw refusal(`${issue?.path.join('.') ?? 'it'}: ${issue?.message ?? 'wrong'}`);
  }
  const access = sorted(parsed.data);
  checkNames(access);
  for (const role of access.roles) checkVerifiers(role.name, role.verifiers);
  for (const user of access.tunnelUsers) for (const key of user.publicKeys) checkKey(user.username, key);
  return access;
}

function sorted(access: ClusterAccess): ClusterAccess {
  const by = <T>(list: readonly T[], name: (item: T) => string) =>
    list.toSorted((a, b) => (name(a) < name(b) ? -1 : name(a) > name(b) ? 1 : 0));
  return {
    revision: access.revision,
    databases: by(access.databases, ({ name }) => name),
    roles: by(access.roles, ({ name }) => name),
    tunnelUsers: by(access.tunnelUsers, ({ username }) => username),
  };
}

function checkNames({ databases, roles, tunnelUsers }: ClusterAccess): void {
  const databaseOf = new Map(roles.map(({ name, database }) => [name, database]));
  const known = new Set(databases.map(({ name }) => name));
  unique(
    'database',
    databases.map(({ name }) => name),
  );
  unique(
    'role',
    roles.map(({ name }) => name),
  );
  unique(
    'tunnel user',
    tunnelUsers.map(({ username }) => username),
  );
  for (const { name, owner } of databases)
    if (databaseOf.get(owner) !== name) throw refusal(`the owner "${owner}" of database "${name}" is no role of it`);
  for (const { name, database } of roles)
    if (!known.has(database)) throw refusal(`role "${name}" belongs to the unlisted database "${database}"`);
  for (const user of tunnelUsers)
    for (const role of user.roles)
      if (databaseOf.get(role) !== user.database)
        throw refusal(`tunnel user "${user.username}" names "${role}", which is no role of its database`);
}

function unique(what: string, names: readonly string[]): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw refusal(`the ${what} "${twice}" is listed twice`);
}

function checkVerifiers(role: string, texts: readonly string[]): void {
  try {
    const [first, second] = texts.map(parseVerifier);
    if (!first || !second) return;
    if (first.iterations !== second.iterations || !first.salt.equals(second.salt))
      throw new Error('its two verifiers must have the same salt and iterations');
  } catch (error) {
    throw refusal(`role "${role}": ${(error as Error).message}`);
  }
}

function checkKey(username: string, key: string): void {
  if (ssh2.utils.parseKey(key) instanceof Error || /\r|\n/.test(key.trim()))
    throw refusal(`a public key of tunnel user "${username}" is not a one-line OpenSSH key`);
}

function refusal(sentence: string): EngineError {
  return new EngineError('unsupported', `The access document is refused: ${sentence}.`);
}
