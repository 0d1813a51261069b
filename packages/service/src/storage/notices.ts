import type { Addon } from '../addons/addon-store.js';
import type { Notice } from '../mail/mailbox.js';
import type { StorageReason } from '../schema.js';
import { formatSize } from './size.js';
import { type StoragePolicy, storageLimit } from './storage-policy.js';
import type { Storage } from './storage-store.js';

/** What the e-mails about storage are written from. */
export interface NoticeFacts {
  addon: string;
  plan: string;
  usage: number;
  limit: number;
  /** How long the clean-up window is open, in seconds. */
  window: number;
}

/** What events tell of an add-on's storage. */
export function sizes({ plan }: Addon, { usage_bytes }: Storage, policy: StoragePolicy) {
  return { usage_bytes: Number(usage_bytes), limit_bytes: storageLimit(plan, policy) };
}

/** What the e-mails tell of it. */
export function noticeFacts(addon: Addon, storage: Storage, policy: StoragePolicy): NoticeFacts {
  const { usage_bytes: usage, limit_bytes: limit } = sizes(addon, storage, policy);
  return { addon: addon.name, plan: addon.plan, usage, limit, window: policy.window };
}

/** Near the limit: nothing happens yet. */
export function nearLimit(facts: NoticeFacts): Notice {
  const { addon, usage, limit } = facts;
  return {
    subject: `${addon} has used ${Math.floor((100 * usage) / limit)} % of its storage`,
    body: `${taken(facts)}

Nothing changes for now. A database that grows beyond its limit and stays there is made read-only after a while; nothing in it is lost.

${upgrade(facts)}
${footer(addon)}`,
  };
}

/** Over the limit: what happens when, and what can be done before. */
export function overLimit(facts: NoticeFacts & { deadline: Date }): Notice {
  const { addon, deadline } = facts;
  return {
    subject: `${addon} is over its storage limit`,
    body: `${taken(facts)}

It can still be written to. If it is still over its limit on ${time(deadline)}, or grows much further before, it is made read-only. Nothing in it is lost.

Delete what is not needed (DROP TABLE and TRUNCATE give space back at once, DELETE only after VACUUM FULL), or change to a larger plan.
${upgrade(facts)}
${footer(addon)}`,
  };
}

const WHY: Record<StorageReason, string> = {
  deadline: 'It has been over its storage limit for too long and can only be read from now on.',
  excess: 'It is far over its storage limit and can only be read from now on.',
  disk: 'The disk that it shares with other databases was about to be full, and it grew most. It can only be read from now on.',
};

/** Read-only: why, what still works, and the two ways back. */
export function restricted(facts: NoticeFacts & { reason: StorageReason }): Notice {
  const { addon, reason } = facts;
  return {
    subject: `${addon} can only be read now`,
    body: `${taken(facts)}

${WHY[reason]} Nothing in it is lost: it answers queries as before, and its data can be taken out.

${reason === 'disk' ? 'It can be written to again by itself when the disk has room.' : waysBack(facts)}
${footer(addon)}`,
  };
}

function waysBack(facts: NoticeFacts): string {
  return `There are two ways back:
1. Change to a larger plan. ${upgrade(facts)}
2. Clean up. Once a day this command makes the database writable for ${Math.round(facts.window / 60)} minutes:

    heroku borealis-pg:storage:cleanup --addon ${facts.addon}

   DROP TABLE and TRUNCATE give space back at once, DELETE only after VACUUM FULL.`;
}

/** Writable again. */
export function writable(facts: NoticeFacts): Notice {
  return {
    subject: `${facts.addon} can be written to again`,
    body: `${taken(facts)}

It can be written to again.
${footer(facts.addon)}`,
  };
}

const taken = ({ addon, plan, usage, limit }: NoticeFacts) =>
  `The database of the add-on ${addon} takes ${formatSize(usage)}; the limit of its plan ${plan} is ${formatSize(limit)}.`;

const upgrade = ({ addon }: NoticeFacts) =>
  `This command shows the plans:

    heroku addons:plans borealis-pg

and this one changes to another:

    heroku addons:upgrade ${addon} borealis-pg:PLAN
`;

/** How every e-mail about an add-on ends. */
export const footer = (addon: string) => `How things stand: heroku borealis-pg:info --addon ${addon}
You get this e-mail because you own the app of this add-on.
`;

/** As people read it: `2026-03-05 15:05 UTC`. */
export const time = (at: Date) =>
  at
    .toISOString()
    .replace('T', ' ')
    .replace(/:\d\d\.\d{3}Z$/, ' UTC');
