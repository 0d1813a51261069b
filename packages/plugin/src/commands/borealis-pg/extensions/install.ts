import { flags } from '@heroku-cli/command';
import { Args } from '@oclif/core';
import { installExtension, installRecursively, isInstalled } from '../../../addon-api/extensions.js';
import { AddonApiRefusal, tolerating } from '../../../addon-api/refusal.js';
import { AddonCommand } from '../../../base-command.js';
import { describeExtension } from '../../../extension-description.js';
import { addonFlag, appFlag, jsonFlag } from '../../../flags.js';
import { toJson } from '../../../text.js';

export default class BorealisPgExtensionsInstall extends AddonCommand {
  static override description = `install a PostgreSQL extension on an add-on database

The extension gets a schema of its own, named like the extension, which the app's database users, personal users and data integrations can use. The schema is on the database's search path, so that the extension's functions and types are found without it.

Some extensions need others. They are named when they are missing; --recursive installs them as well.

With --suppress-conflict it is not an error when the extension is installed already, which suits scripts that run more than once.

See also borealis-pg:extensions and borealis-pg:extensions:remove.`;

  static override examples = [
    '$ heroku borealis-pg:extensions:install pg_trgm --app sushi',
    '$ heroku borealis-pg:extensions:install earthdistance --recursive --app sushi --addon BOREALIS_PG_MAROON',
    '$ heroku borealis-pg:extensions:install hstore --suppress-conflict --addon borealis-pg-hex-12345',
  ];

  static override args = {
    PG_EXTENSION: Args.string({ description: 'name of a PostgreSQL extension', required: true }),
  };

  static override flags = {
    addon: addonFlag,
    app: appFlag,
    json: jsonFlag,
    recursive: flags.boolean({
      char: 'r',
      default: false,
      description: 'also install the extensions that it needs, and those that they need',
    }),
    'suppress-conflict': flags.boolean({
      char: 's',
      default: false,
      description: 'exit with 0 when the extension is already installed',
    }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(BorealisPgExtensionsInstall);
    const { PG_EXTENSION: name } = args;
    const attachment = await this.resolve(flags);
    const harmless = (refusal: AddonApiRefusal) => flags['suppress-conflict'] && isInstalled(refusal);
    const result = await this.withAddonApi(attachment, `Installing Postgres extension ${name} for`, (api) =>
      tolerating(harmless, flags.recursive ? installRecursively(api, name) : installExtension(api, name)),
    );
    if (result instanceof AddonApiRefusal) this.warn(result.message);
    const extensions = result instanceof AddonApiRefusal ? [] : result;
    if (flags.json) this.log(toJson({ extensions }));
    else for (const extension of extensions) this.log(describeExtension(extension));
  }
}
