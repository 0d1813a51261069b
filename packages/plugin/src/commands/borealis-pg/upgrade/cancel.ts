import { pgVersionUpgradeCancelled } from '@borealis/contract';
import { reasonOr } from '../../../addon-api/refusal.js';
import { AddonCommand } from '../../../base-command.js';
import { addonFlag, appFlag } from '../../../flags.js';

export default class BorealisPgUpgradeCancel extends AddonCommand {
  static override description = `give up the PostgreSQL major version upgrade of an add-on database

Nothing is left of it: the database goes on with the version that it has, and its schema can be changed again. An upgrade whose new version has taken over can not be cancelled any more.

See also borealis-pg:upgrade:execute.`;

  static override examples = [
    '$ heroku borealis-pg:upgrade:cancel --app sushi',
    '$ heroku borealis-pg:upgrade:cancel --app sushi --addon BOREALIS_PG_MAROON',
  ];

  static override flags = { addon: addonFlag, app: appFlag };

  async run(): Promise<void> {
    const { flags } = await this.parse(BorealisPgUpgradeCancel);
    const attachment = await this.resolve(flags);
    await this.withAddonApi(attachment, 'Cancelling PostgreSQL major version upgrade for', (api) =>
      api.request('DELETE', '/pg-version-upgrades/current', pgVersionUpgradeCancelled, { meanings: MEANINGS }),
    );
    this.log('It may be several minutes before the add-on is ready to try another upgrade.');
  }
}

const MEANINGS = { 400: reasonOr('There is no PostgreSQL major version upgrade of the add-on in progress') };
