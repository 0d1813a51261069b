import { deletion } from '@borealis/contract';
import { flags } from '@heroku-cli/command';
import { missing, reasonOr } from '../../../addon-api/refusal.js';
import { AddonCommand } from '../../../base-command.js';
import { confirmRemoval } from '../../../confirmation.js';
import { addonFlag, appFlag, confirmFlag } from '../../../flags.js';

export default class BorealisPgIntegrationsRemove extends AddonCommand {
  static override description = `remove a data integration from an add-on

Its tunnels are closed and its credentials stop working at once. What it created in the database stays and belongs to the app's database user from then on.

Has to be confirmed with the name of the data integration, by --confirm where there is no terminal to ask at.

See also borealis-pg:integrations and borealis-pg:integrations:register.`;

  static override examples = [
    '$ heroku borealis-pg:integrations:remove --app sushi --name my_integration1',
    '$ heroku borealis-pg:integrations:remove --addon borealis-pg-hex-12345 --name etl --confirm etl',
  ];

  static override aliases = ['borealis-pg:integrations:deregister'];

  static override flags = {
    addon: addonFlag,
    app: appFlag,
    confirm: confirmFlag,
    name: flags.string({ char: 'n', description: 'name of the data integration', required: true }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(BorealisPgIntegrationsRemove);
    const { name } = flags;
    await confirmRemoval('data integration', name, flags.confirm);
    const attachment = await this.resolve(flags);
    await this.withAddonApi(attachment, 'Removing data integration from', (api) =>
      api.request('DELETE', `/data-integrations/${encodeURIComponent(name)}`, deletion, { meanings: meanings(name) }),
    );
  }
}

function meanings(name: string) {
  return {
    403: reasonOr('Write access to the add-on database is revoked, so that the integration cannot be removed now'),
    404: missing(`Data integration ${name} does not exist`),
  };
}
