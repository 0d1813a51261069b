import { addonInfo, restoreToken, Secret } from '@borealis/contract';
import { flags } from '@heroku-cli/command';
import { reasonOr } from '../../../addon-api/refusal.js';
import { AddonCommand } from '../../../base-command.js';
import { addonFlag, appFlag } from '../../../flags.js';
import { createCopy, fetchSource, untilAddonIsMade } from '../../../platform/copies.js';
import { untilReady } from '../../../readiness.js';

export default class BorealisPgRestoreExecute extends AddonCommand {
  static override description = `restore or clone an add-on database into a new add-on

Without --restore-to-time the new add-on is a clone: a copy of the database as it is now. With it, the new add-on has exactly what was committed up to that time. The time is in ISO 8601 with a zone, to the microsecond at most. borealis-pg:restore:capabilities shows which times there are.

The source database stays as it is, online, and its load is not affected. The new add-on has credentials of its own; personal users and data integrations of the source have no access to it. It is attached to the source's own app unless --destination-app names another, and has the plan of the source unless --new-plan names another, which needs enough storage for the data.

After an emergency restore, heroku addons:attach and heroku addons:detach let the new add-on take the place of the old one.

See also borealis-pg:restore:capabilities.`;

  static override examples = [
    '$ heroku borealis-pg:restore:execute --app sushi --destination-app sushi-staging --wait',
    '$ heroku borealis-pg:restore:execute --app sushi --restore-to-time 2023-03-05T15:05:17.485-08:00 --wait',
    '$ heroku borealis-pg:restore:execute --addon borealis-pg-hex-12345 --new-plan x1-s100-p2-r4 --as RESTORED',
  ];

  static override flags = {
    addon: addonFlag,
    app: appFlag,
    as: flags.string({ description: 'name of the attachment of the new add-on (one is chosen without it)' }),
    'destination-app': flags.string({
      char: 'd',
      description: "app that gets the new add-on (the source's own app without it)",
    }),
    'new-plan': flags.string({ char: 'n', description: 'plan of the new add-on (that of the source without it)' }),
    'restore-to-time': flags.string({
      char: 't',
      description: 'time to restore to, in ISO 8601 with a zone (a clone of the present without it)',
    }),
    wait: flags.boolean({ char: 'w', default: false, description: 'wait until the new add-on is ready for use' }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(BorealisPgRestoreExecute);
    const { addonName } = await this.resolve(flags);
    const source = await fetchSource(this.heroku, addonName);
    const token = await this.during('Checking authorization', () =>
      this.askAddonApi(addonName, (api) =>
        api.request('POST', '/restore-tokens', restoreToken, { meanings: MEANINGS }),
      ),
    );
    const appName = flags['destination-app'] ?? source.appName;
    const restoreToTime = flags['restore-to-time'];
    const kind = restoreToTime === undefined ? 'clone' : 'restore';
    const copyName = await this.during(`Starting ${kind} of add-on ${addonName}`, () =>
      createCopy(this.heroku, {
        ...{ appName, plan: flags['new-plan'] ?? source.plan, attachmentName: flags.as },
        ...{ restoreToken: new Secret(token.restoreToken), restoreToTime },
      }),
    );
    if (flags.wait) await this.#wait(copyName, appName);
    else this.log(inBackground(copyName, appName));
  }

  async #wait(addonName: string, appName: string): Promise<void> {
    await this.during(`Creating add-on ${addonName} on ⬢ ${appName}`, async () => {
      await untilAddonIsMade(this.heroku, addonName);
      await untilReady(addonName, () => this.askAddonApi(addonName, (api) => api.request('GET', '', addonInfo)));
    });
  }
}

const MEANINGS = { 400: reasonOr('The add-on cannot be cloned or restored') };

function inBackground(addonName: string, appName: string): string {
  return (
    `${addonName} is being created in the background. The app ${appName} will restart when complete...\n` +
    `Use heroku addons:wait ${addonName} to wait for it`
  );
}
