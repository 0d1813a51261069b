import type { Notice } from '../mail/mailbox.js';
import { footer, time } from '../storage/notices.js';

interface Facts {
  addon: string;
  /** PostgreSQL's own numbers. */
  from: string;
  to: string;
}

interface Moved extends Facts {
  /** Null: it is not known. */
  pauseMs: number | null;
  closed: number;
}

/** Of a cluster that several share: it will begin by itself. */
export function upgradeAnnounced(facts: { addon: string; from: string; to: string; at: Date }): Notice {
  const { addon, from, to, at } = facts;
  return {
    subject: `${addon} will be upgraded from PostgreSQL ${from} to ${to}`,
    body: `The database of the add-on ${addon} shares a cluster with others. That cluster is upgraded from PostgreSQL ${from} to ${to} after ${time(at)}.

There is nothing for you to do. ${meanwhile}

If your app is not ready for PostgreSQL ${to}, a plan with a cluster of its own keeps its version:

    heroku addons:upgrade ${addon} borealis-pg:PLAN
${footer(addon)}`,
  };
}

/** The rehearsal went well, and what people notice begins. */
export function upgradeBegun(facts: Facts & { isShared: boolean }): Notice {
  const { addon, from, to, isShared } = facts;
  const cancel = `Until then you can give it up, and nothing is left of it:

    heroku borealis-pg:upgrade:cancel --addon ${addon}
`;
  return {
    subject: `${addon} is being upgraded from PostgreSQL ${from} to ${to}`,
    body: `A server of PostgreSQL ${to} is being made for the add-on ${addon} beside the present one, which goes on serving. A rehearsal on a copy of the data went well.

${meanwhile}
${isShared ? '' : `\n${cancel}`}
You get another e-mail when it is over.
${footer(addon)}`,
  };
}

const meanwhile =
  'The database can be used all the while; only its schema cannot be changed, and extensions, users and data integrations cannot be either. ' +
  'In the end queries wait for a moment, and sessions whose state cannot be carried over are closed: apps connect again by themselves.';

/** The next server has taken over. */
export function upgradeCompleted(facts: Moved): Notice {
  const { addon, from, to } = facts;
  return {
    subject: `${addon} runs PostgreSQL ${to} now`,
    body: `The database of the add-on ${addon} was upgraded from PostgreSQL ${from} to ${to}. ${moved(facts)}

Address, names and passwords are the same, so no app has to be changed. ${anew}

If something does not work with the new version, the operator of the service can go back to ${from} for a while, with what was written since.
${footer(addon)}`,
  };
}

/** The former server has taken over again. */
export function upgradeReverted(facts: Moved): Notice {
  const { addon, from, to } = facts;
  return {
    subject: `${addon} is back on PostgreSQL ${to}`,
    body: `The operator of the service brought the database of the add-on ${addon} back from PostgreSQL ${from} to ${to}, with all that was written since the upgrade. ${moved(facts)}

Address, names and passwords are the same, so no app has to be changed. ${anew}
${footer(addon)}`,
  };
}

const anew = 'Whoever compares values of xmin, or remembers object ids, has to begin anew.';

function moved({ pauseMs, closed }: Moved): string {
  const wait = pauseMs === null ? 'Queries waited for a moment' : `Queries waited for ${pauseMs} ms`;
  return `${wait}; ${closed === 0 ? 'no session was' : closed === 1 ? 'one session was' : `${closed} sessions were`} closed.`;
}

/** It came to nothing. */
export function upgradeFailed(facts: Facts & { findings: readonly string[]; way: 'up' | 'back' }): Notice {
  const { addon, from, to, findings, way } = facts;
  const what = way === 'up' ? 'upgraded' : 'brought back';
  return {
    subject: `${addon} could not be ${what} from PostgreSQL ${from} to ${to}`,
    body: `The database of the add-on ${addon} runs PostgreSQL ${from} as before, with all that is in it. It was not ${what}, because:

${findings.map((finding) => `- ${finding}`).join('\n')}
${footer(addon)}`,
  };
}

/** It was given up. */
export function upgradeCancelled({ addon, from, to }: Facts): Notice {
  return {
    subject: `The upgrade of ${addon} to PostgreSQL ${to} was cancelled`,
    body: `The database of the add-on ${addon} runs PostgreSQL ${from} as before. Nothing is left of the upgrade, and the schema can be changed again.
${footer(addon)}`,
  };
}
