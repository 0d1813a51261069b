import { type AddonInfo, addonInfo } from '@borealis/contract';
import { describeAddon } from '../../addon-description.js';
import { AddonCommand } from '../../base-command.js';
import { addonFlag, appFlag, jsonFlag } from '../../flags.js';
import { toJson } from '../../text.js';

export default class BorealisPgInfo extends AddonCommand {
  static override description = `show information about an add-on database

Shows its status, plan, PostgreSQL version, storage and replicas, also while it is being provisioned or under maintenance.`;

  static override examples = [
    '$ heroku borealis-pg:info --app sushi',
    '$ heroku borealis-pg:info --app sushi --addon BOREALIS_PG_MAROON',
    '$ heroku borealis-pg:info --addon borealis-pg-hex-12345 --json',
  ];

  static override flags = {
    addon: addonFlag,
    app: appFlag,
    json: jsonFlag,
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(BorealisPgInfo);
    const attachment = await this.resolve(flags);
    const info: AddonInfo = await this.withAddonApi(attachment, 'Fetching information about', (api) =>
      api.request('GET', '', addonInfo),
    );
    this.log(flags.json ? toJson(info) : `\n${describeAddon(info)}`);
  }
}
