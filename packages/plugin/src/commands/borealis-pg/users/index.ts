import { dbUsers } from '@borealis/contract';
import { AddonCommand } from '../../../base-command.js';
import { addonFlag, appFlag, jsonFlag } from '../../../flags.js';
import { drawTable } from '../../../table.js';
import { toJson } from '../../../text.js';

const COLUMNS = ['Add-on User', 'DB Read-only Username', 'DB Read/Write Username'];
const APP_USER = 'Heroku App User';

export default class BorealisPgUsers extends AddonCommand {
  static override description = `list the database users of an add-on

The app always has its two users: one that reads and one that also writes. A person has them too after borealis-pg:psql, borealis-pg:tunnel or borealis-pg:run --personal-user, until all credentials are reset. Data integrations have a list of their own, borealis-pg:integrations.

See also borealis-pg:users:reset.`;

  static override examples = [
    '$ heroku borealis-pg:users --app sushi',
    '$ heroku borealis-pg:users --app sushi --addon BOREALIS_PG_MAROON',
    '$ heroku borealis-pg:users --addon borealis-pg-hex-12345 --json',
  ];

  static override flags = { addon: addonFlag, app: appFlag, json: jsonFlag };

  async run(): Promise<void> {
    const { flags } = await this.parse(BorealisPgUsers);
    const attachment = await this.resolve(flags);
    const answer = await this.withAddonApi(attachment, 'Fetching user list for', (api) =>
      api.request('GET', '/db-users', dbUsers),
    );
    if (flags.json) return this.log(toJson(answer));
    if (answer.users.length === 0) return void this.warn('No users found');
    const rows = answer.users.map((user) => [
      user.displayName ?? APP_USER,
      user.readOnlyUsername,
      user.readWriteUsername,
    ]);
    this.log(drawTable(COLUMNS, rows));
  }
}
