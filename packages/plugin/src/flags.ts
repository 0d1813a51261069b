import { flags } from '@heroku-cli/command';

/** Flags that several commands share: one spelling, one letter, one description. */

export const addonFlag = flags.string({
  char: 'o',
  description: 'name or ID of an add-on or one of its attachments',
});

export const appFlag = flags.app({
  description: 'app to which the add-on is attached',
});

export const writeAccessFlag = flags.boolean({
  char: 'w',
  default: false,
  description: 'allow write access to the add-on database (read-only otherwise)',
});

export const DEFAULT_LOCAL_PORT = 5432;

export const portFlag = flags.integer({
  char: 'p',
  min: 1,
  max: 65_535,
  helpValue: '<number>',
  description: `local port of the secure tunnel (default: ${DEFAULT_LOCAL_PORT})`,
});
