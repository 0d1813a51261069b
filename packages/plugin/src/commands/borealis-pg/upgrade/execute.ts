import { pgVersionUpgradeStarted } from '@borealis/contract';
import { flags } from '@heroku-cli/command';
import { reasonOr } from '../../../addon-api/refusal.js';
import { AddonCommand } from '../../../base-command.js';
import { addonFlag, appFlag } from '../../../flags.js';

export default class BorealisPgUpgradeExecute extends AddonCommand {
  static override description = `upgrade an add-on database to the next major version of PostgreSQL

First the upgrade is rehearsed on a copy of the data; what stands in its way is told, and nothing is changed then. Then a server of the new version is made beside the present one and is fed from it, which may take well over an hour. The database can be used all the while, but its schema cannot be changed, and neither can extensions, users and data integrations. In the end queries wait for about a second, and sessions whose state cannot be carried over are closed. Address, names and passwords stay the same.

The owner of the app gets e-mails at the start and at the end. Until the end it can be given up with borealis-pg:upgrade:cancel; afterwards the operator of the service can go back for a while.

See also borealis-pg:upgrade:info.`;

  static override examples = [
    '$ heroku borealis-pg:upgrade:execute --app sushi',
    '$ heroku borealis-pg:upgrade:execute --app sushi --addon BOREALIS_PG_MAROON --to 18',
  ];

  static override flags = {
    addon: addonFlag,
    app: appFlag,
    to: flags.string({ helpValue: '<version>', description: 'major version to upgrade to (default: the next one)' }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(BorealisPgUpgradeExecute);
    const attachment = await this.resolve(flags);
    const body = flags.to === undefined ? {} : { body: { targetPgMajorVersion: flags.to } };
    const started = await this.withAddonApi(attachment, 'Starting PostgreSQL major version upgrade for', (api) =>
      api.request('POST', '/pg-version-upgrades', pgVersionUpgradeStarted, { ...body, meanings: MEANINGS }),
    );
    const { currentPgMajorVersion: from, targetPgMajorVersion: to } = started;
    this.log(
      `${attachment.addonName} is being upgraded from PostgreSQL version ${from} to version ${to} in the background. ` +
        'An e-mail is sent when it is over; borealis-pg:upgrade:info shows how far it is.',
    );
  }
}

const MEANINGS = {
  400: (_addon: string, { reason }: { reason?: string | undefined }) =>
    `The add-on is in a state that prevents upgrades: ${reason ?? 'the service does not say why'}`,
  409: reasonOr('The add-on database is undergoing maintenance. Try again later'),
};
