import {
  type BackupReceipt,
  type BaseReceipt,
  type RestoreCapabilities,
  restoreCapabilities,
} from '@borealis/contract';
import { AddonCommand } from '../../../base-command.js';
import { addonFlag, appFlag, jsonFlag } from '../../../flags.js';
import { fieldList, localTime, toJson } from '../../../text.js';

export default class BorealisPgRestoreCapabilities extends AddonCommand {
  static override description = `show what an add-on database can be restored to

A clone is a copy of the database as it is now. A point-in-time restore is a copy of the database as it was at any time from the earliest to the latest that this command shows. Both make a new add-on and leave this one as it is.

See also borealis-pg:restore:execute.`;

  static override examples = [
    '$ heroku borealis-pg:restore:capabilities --app sushi',
    '$ heroku borealis-pg:restore:capabilities --app sushi --addon BOREALIS_PG_MAROON',
    '$ heroku borealis-pg:restore:capabilities --addon borealis-pg-hex-12345 --json',
  ];

  static override aliases = ['borealis-pg:restore:info'];

  static override flags = { addon: addonFlag, app: appFlag, json: jsonFlag };

  async run(): Promise<void> {
    const { flags } = await this.parse(BorealisPgRestoreCapabilities);
    const attachment = await this.resolve(flags);
    const answer = await this.withAddonApi(attachment, 'Fetching restore capabilities of', (api) =>
      api.request('GET', '/restore-capabilities', restoreCapabilities),
    );
    this.log(flags.json ? toJson(answer) : `\n${describe(answer)}`);
  }
}

function describe(answer: RestoreCapabilities): string {
  const yesNo = (value: boolean) => (value ? 'Yes' : 'No');
  const time = (value: string | null) => (value === null ? 'N/A' : localTime(value));
  return fieldList([
    ['Cloning Supported', yesNo(answer.cloneSupported)],
    ['Point-in-time Restore Supported', yesNo(answer.restoreSupported)],
    ['Earliest Restorable Time', time(answer.earliestRestorableTime)],
    ['Latest Restorable Time', time(answer.latestRestorableTime)],
    ...(answer.latestBackup ? [describeBackup(answer.latestBackup)] : []),
    ...(answer.latestRestoreProof ? [describeProof(answer.latestRestoreProof)] : []),
  ]);
}

function describeBackup({ takenAt, proof }: BackupReceipt): [string, string] {
  const found =
    proof === null
      ? 'not proven yet'
      : proof.failure === null
        ? `restored and compared: ${proof.checked.tables} tables, ${proof.checked.rows} rows`
        : `NOT GOOD: ${proof.failure}`;
  return ['Latest Backup', `${localTime(takenAt!)} (${found})`];
}

function describeProof({ at, upTo, failure, checked }: BaseReceipt): [string, string] {
  const found =
    failure === null
      ? `restored to ${localTime(upTo)} and read: ${checked.tables} tables, ${checked.rows} rows`
      : `NOT GOOD: ${failure}`;
  return ['Latest Restore Proof', `${localTime(at)} (${found})`];
}
