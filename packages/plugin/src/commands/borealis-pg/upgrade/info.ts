import { type PgVersionUpgrades, pgVersionUpgrades } from '@borealis/contract';
import { AddonCommand } from '../../../base-command.js';
import { addonFlag, appFlag, jsonFlag } from '../../../flags.js';
import { fieldList, localTime, toJson } from '../../../text.js';

export default class BorealisPgUpgradeInfo extends AddonCommand {
  static override description = `show which major version of PostgreSQL an add-on database has, and can have

While an upgrade is under way it shows how far it has come; afterwards it shows what came of it.

See also borealis-pg:upgrade:execute and borealis-pg:upgrade:cancel.`;

  static override examples = [
    '$ heroku borealis-pg:upgrade:info --app sushi',
    '$ heroku borealis-pg:upgrade:info --app sushi --addon BOREALIS_PG_MAROON',
    '$ heroku borealis-pg:upgrade:info --addon borealis-pg-hex-12345 --json',
  ];

  static override flags = { addon: addonFlag, app: appFlag, json: jsonFlag };

  async run(): Promise<void> {
    const { flags } = await this.parse(BorealisPgUpgradeInfo);
    const attachment = await this.resolve(flags);
    const answer = await this.withAddonApi(attachment, 'Fetching PostgreSQL version upgrade info for', (api) =>
      api.request('GET', '/pg-version-upgrades', pgVersionUpgrades),
    );
    this.log(flags.json ? toJson(answer) : `\n${describe(answer)}`);
  }
}

function describe(answer: PgVersionUpgrades): string {
  return fieldList([
    ['Current PostgreSQL major version', answer.currentPgMajorVersion],
    ['Next PostgreSQL major version', answer.nextPgMajorVersion ?? 'N/A'],
    ['Upgrade Status', answer.upgradeStatus],
    ...farther(answer),
    ...began(answer),
    ...(answer.progress ? [['Progress', answer.progress.sentence] satisfies [string, string]] : []),
    ...last(answer),
  ]);
}

/** Said when there is a choice. */
function farther({ availablePgMajorVersions: all = [], upgradeStatus }: PgVersionUpgrades): [string, string][] {
  return all.length > 1 && upgradeStatus === 'available' ? [['Also Available', all.slice(1).join(', ')]] : [];
}

/** Of a cluster that several share. */
function began({ automatic, announcedFor }: PgVersionUpgrades): [string, string][] {
  if (announcedFor) return [['Begins', `by itself after ${localTime(announcedFor)}`]];
  return automatic ? [['Begins', 'by itself, after an e-mail (the cluster is shared)']] : [];
}

function last({ last: found }: PgVersionUpgrades): [string, string][] {
  if (!found) return [];
  const { outcome, from, to, endedAt, findings, revertibleUntil } = found;
  const words = { done: 'completed', reverted: 'reverted', failed: 'failed', cancelled: 'cancelled' } as const;
  const why = findings.length === 0 ? '' : `: ${findings.join(' ')}`;
  return [
    ['Last Upgrade', `${from} to ${to}, ${words[outcome]} at ${localTime(endedAt)}${why}`],
    ...(revertibleUntil
      ? [['Way Back', `until ${localTime(revertibleUntil)}, by the operator`] satisfies [string, string]]
      : []),
  ];
}
