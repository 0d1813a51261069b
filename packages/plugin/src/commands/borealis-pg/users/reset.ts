import { deletion } from '@borealis/contract';
import { reasonOr } from '../../../addon-api/refusal.js';
import { AddonCommand } from '../../../base-command.js';
import { addonFlag, appFlag } from '../../../flags.js';

export default class BorealisPgUsersReset extends AddonCommand {
  static override description = `reset all database credentials of an add-on

For the day when credentials may have come into the wrong hands. The app's database users get new passwords and its config vars are updated, which restarts the app. Whoever is connected with the old credentials is disconnected, personal users too; they get new ones with their next borealis-pg:psql, borealis-pg:tunnel or borealis-pg:run --personal-user. What they own in the database stays as it is.

Data integrations are not affected: borealis-pg:integrations:remove takes the credentials of one away.

No confirmation is asked for. The app's credentials are also changed by themselves every week, without anybody being disconnected.

See also borealis-pg:users.`;

  static override examples = [
    '$ heroku borealis-pg:users:reset --app sushi',
    '$ heroku borealis-pg:users:reset --app sushi --addon BOREALIS_PG_MAROON',
  ];

  static override flags = { addon: addonFlag, app: appFlag };

  async run(): Promise<void> {
    const { flags } = await this.parse(BorealisPgUsersReset);
    const attachment = await this.resolve(flags);
    await this.withAddonApi(attachment, 'Resetting all database credentials for', (api) =>
      api.request('DELETE', '/db-users/credentials', deletion, { meanings: MEANINGS }),
    );
  }
}

const MEANINGS = {
  400: reasonOr('The add-on is undergoing maintenance. Try again in a few minutes'),
  403: reasonOr(
    'Write access to the add-on database is revoked, usually because it has long been over its storage limit. ' +
      'Upgrade to a larger plan to restore it',
  ),
};
