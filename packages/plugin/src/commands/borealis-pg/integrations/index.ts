import { dataIntegrations } from '@borealis/contract';
import { AddonCommand } from '../../../base-command.js';
import { addonFlag, appFlag, jsonFlag } from '../../../flags.js';
import { drawTable } from '../../../table.js';
import { localTime, toJson } from '../../../text.js';

const COLUMNS = ['Data Integration', 'DB Username', 'SSH Username', 'Write Access', 'Created At'];

export default class BorealisPgIntegrations extends AddonCommand {
  static override description = `list the data integrations that are registered with an add-on

A data integration lets an external service reach an add-on database through a secure tunnel of its own, with credentials that stay valid until it is removed.

See also borealis-pg:integrations:register and borealis-pg:integrations:remove.`;

  static override examples = [
    '$ heroku borealis-pg:integrations --app sushi',
    '$ heroku borealis-pg:integrations --app sushi --addon BOREALIS_PG_MAROON',
    '$ heroku borealis-pg:integrations --addon borealis-pg-hex-12345 --json',
  ];

  static override flags = { addon: addonFlag, app: appFlag, json: jsonFlag };

  async run(): Promise<void> {
    const { flags } = await this.parse(BorealisPgIntegrations);
    const attachment = await this.resolve(flags);
    const answer = await this.withAddonApi(attachment, 'Fetching data integration list for', (api) =>
      api.request('GET', '/data-integrations', dataIntegrations),
    );
    if (flags.json) return this.log(toJson(answer));
    if (answer.integrations.length === 0) return void this.warn('No data integrations found');
    const rows = answer.integrations.map((one) => [
      one.name,
      one.dbUsername,
      one.sshUsername,
      String(one.writeAccess),
      localTime(one.createdAt),
    ]);
    this.log(drawTable(COLUMNS, rows));
  }
}
