import type { DbUsers } from '@borealis/contract';
import type { ControlDatabase } from '../database.js';
import type { Access } from '../schema.js';
import { personalName } from './access-document.js';

/** Who has users in the add-on's database: the app, and then every person who was ever given a password, by address. */
export async function listDbUsers(db: ControlDatabase, addonId: string): Promise<DbUsers['users']> {
  const roles = await db.sql
    .selectFrom('app_role')
    .select(['access', 'name'])
    .where('addon_id', '=', addonId)
    .execute();
  const named = (access: Access) => roles.find((role) => role.access === access)!.name;
  const app = { readOnlyUsername: named('ro'), readWriteUsername: named('rw') };
  const persons = await db.sql
    .selectFrom('personal_user as person')
    .select(['person.email', 'person.suffix'])
    .where('person.addon_id', '=', addonId)
    .where((e) =>
      e.exists(
        e
          .selectFrom('personal_credential as credential')
          .select('credential.kind')
          .whereRef('credential.personal_user_id', '=', 'person.id')
          .where('credential.kind', '!=', 'ssh'),
      ),
    )
    .orderBy('person.email')
    .execute();
  return [
    { displayName: null, ...app, userType: 'app' },
    ...persons.map(({ email, suffix }) => ({
      displayName: email,
      readOnlyUsername: personalName(suffix, 'ro'),
      readWriteUsername: personalName(suffix, 'rw'),
      userType: 'personal' as const,
    })),
  ];
}
