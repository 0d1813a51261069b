import { deletion } from '@borealis/contract';
import { flags } from '@heroku-cli/command';
import { Args } from '@oclif/core';
import { AddonApiRefusal, missing, reasonOr, tolerating } from '../../../addon-api/refusal.js';
import { AddonCommand } from '../../../base-command.js';
import { confirmRemoval } from '../../../confirmation.js';
import { addonFlag, appFlag, confirmFlag } from '../../../flags.js';

export default class BorealisPgExtensionsRemove extends AddonCommand {
  static override description = `remove a PostgreSQL extension from an add-on database

The extension goes with everything in its schema. It is refused while other extensions, tables or functions need it: remove those first.

Has to be confirmed with the name of the extension, by --confirm where there is no terminal to ask at.

See also borealis-pg:extensions and borealis-pg:extensions:install.`;

  static override examples = [
    '$ heroku borealis-pg:extensions:remove btree_gist --app sushi',
    '$ heroku borealis-pg:extensions:remove postgis --suppress-missing --app sushi --addon BOREALIS_PG_MAROON',
    '$ heroku borealis-pg:extensions:remove uuid-ossp --confirm uuid-ossp --addon borealis-pg-hex-12345',
  ];

  static override args = {
    PG_EXTENSION: Args.string({ description: 'name of a PostgreSQL extension', required: true }),
  };

  static override flags = {
    addon: addonFlag,
    app: appFlag,
    confirm: confirmFlag,
    'suppress-missing': flags.boolean({
      char: 's',
      default: false,
      description: 'exit with 0 when the extension is not installed',
    }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(BorealisPgExtensionsRemove);
    const { PG_EXTENSION: name } = args;
    await confirmRemoval('extension', name, flags.confirm);
    const attachment = await this.resolve(flags);
    const harmless = (refusal: AddonApiRefusal) => flags['suppress-missing'] && isMissingExtension(refusal);
    const result = await this.withAddonApi(attachment, `Removing Postgres extension ${name} from`, (api) => {
      const path = `/pg-extensions/${encodeURIComponent(name)}`;
      return tolerating(harmless, api.request('DELETE', path, deletion, { meanings: meanings(name) }));
    });
    if (result instanceof AddonApiRefusal) this.warn(result.message);
  }
}

/** The same status says that the add-on itself is missing; that is never harmless. */
function isMissingExtension({ status, details }: AddonApiRefusal): boolean {
  return status === 404 && details.resourceType !== 'addon';
}

function meanings(name: string) {
  return {
    400: reasonOr(`Other extensions or objects of the database need extension ${name}. Remove them first`),
    404: missing(`Extension ${name} is not installed`),
  };
}
