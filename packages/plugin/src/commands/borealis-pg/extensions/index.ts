import { installedExtensions } from '@borealis/contract';
import { AddonCommand } from '../../../base-command.js';
import { describeExtension } from '../../../extension-description.js';
import { addonFlag, appFlag, jsonFlag } from '../../../flags.js';
import { toJson } from '../../../text.js';

export default class BorealisPgExtensions extends AddonCommand {
  static override description = `list the PostgreSQL extensions that are installed on an add-on database

Each is shown with its version and with the schema that holds its types, functions and other objects.

See also borealis-pg:extensions:install and borealis-pg:extensions:remove.`;

  static override examples = [
    '$ heroku borealis-pg:extensions --app sushi',
    '$ heroku borealis-pg:extensions --app sushi --addon BOREALIS_PG_MAROON',
    '$ heroku borealis-pg:extensions --addon borealis-pg-hex-12345 --json',
  ];

  static override flags = { addon: addonFlag, app: appFlag, json: jsonFlag };

  async run(): Promise<void> {
    const { flags } = await this.parse(BorealisPgExtensions);
    const attachment = await this.resolve(flags);
    const answer = await this.withAddonApi(attachment, 'Fetching Postgres extension list for', (api) =>
      api.request('GET', '/pg-extensions', installedExtensions),
    );
    if (flags.json) return this.log(toJson(answer));
    if (answer.extensions.length === 0) this.warn('No extensions found');
    for (const extension of answer.extensions) this.log(describeExtension(extension));
  }
}
