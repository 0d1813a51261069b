import { cleanupWindow } from '@borealis/contract';
import { AddonCommand } from '../../../base-command.js';
import { addonFlag, appFlag, jsonFlag } from '../../../flags.js';
import { localTime, toJson } from '../../../text.js';

export default class BorealisPgStorageCleanup extends AddonCommand {
  static override description = `open the clean-up window of an add-on database that is over its storage limit

A database that stays over the storage limit of its plan is made read-only. This command gives you 30 minutes in which it can be written to again, so that you can delete what is not needed; it can be opened once a day. DROP TABLE and TRUNCATE make a database smaller at once, DELETE only after VACUUM FULL.

If the database is within its limit in the end it stays writable. Otherwise it is made read-only again; an upgrade to a larger plan is the other way out.

See also borealis-pg:info, which shows the storage used and the limit.`;

  static override examples = [
    '$ heroku borealis-pg:storage:cleanup --app sushi',
    '$ heroku borealis-pg:storage:cleanup --addon borealis-pg-hex-12345 --json',
  ];

  static override flags = { addon: addonFlag, app: appFlag, json: jsonFlag };

  async run(): Promise<void> {
    const { flags } = await this.parse(BorealisPgStorageCleanup);
    const attachment = await this.resolve(flags);
    const answer = await this.withAddonApi(attachment, 'Opening the clean-up window of', (api) =>
      api.request('POST', '/cleanup-window', cleanupWindow),
    );
    this.log(flags.json ? toJson(answer) : `The database can be written to until ${localTime(answer.until)}`);
  }
}
