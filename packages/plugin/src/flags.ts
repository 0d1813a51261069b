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

export const jsonFlag = flags.boolean({
  description: 'print the result as JSON',
});

/** Stands for the answer to a question that only a person at a terminal is asked. */
export const confirmFlag = flags.string({
  char: 'c',
  helpValue: '<name>',
  description: 'confirm without being asked, by repeating the name of what shall be removed',
});
