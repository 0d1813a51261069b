import { setTimeout as sleep } from 'node:timers/promises';
import type { Secret } from '@borealis/contract';
import { type APIClient, HerokuAPIError } from '@heroku-cli/command';
import { CLIError } from '@oclif/core/errors';
import { z } from 'zod';
import { serviceSlug } from '../settings.js';
import { expected } from './answer.js';

/** What a copy takes from its source when nothing else is asked for. */
export interface Source {
  /** The app that the add-on belongs to. */
  appName: string;
  plan: string;
}

/** A new add-on that begins as a copy of another. */
export interface WantedCopy {
  appName: string;
  /** With or without the service's name before it. */
  plan: string;
  restoreToken: Secret;
  /** As the user wrote it: the service says what is wrong with it. */
  restoreToTime: string | undefined;
  attachmentName: string | undefined;
}

const owned = z.object({ app: z.object({ name: z.string() }), plan: z.object({ name: z.string() }) });
const created = z.object({ name: z.string() });
const state = z.object({ state: z.string() });

export async function fetchSource(heroku: APIClient, addonName: string): Promise<Source> {
  const { body } = await heroku.get(`/addons/${encodeURIComponent(addonName)}`);
  const { app, plan } = expected(owned, body);
  return { appName: app.name, plan: plan.name };
}

/** Asks Heroku for the add-on; it is made in the background. Gives its name. */
export async function createCopy(heroku: APIClient, wanted: WantedCopy): Promise<string> {
  const { appName, plan, restoreToken, restoreToTime, attachmentName } = wanted;
  const prefix = `${serviceSlug()}:`;
  const answer = await heroku.post(`/apps/${encodeURIComponent(appName)}/addons`, {
    body: {
      config: {
        'restore-token': restoreToken.reveal(),
        ...(restoreToTime !== undefined && { 'restore-to-time': restoreToTime }),
      },
      plan: plan.startsWith(prefix) ? plan : `${prefix}${plan}`,
      ...(attachmentName !== undefined && { attachment: { name: attachmentName } }),
    },
  });
  return expected(created, answer.body).name;
}

const LOOK_AGAIN_MS = 5_000;

/** Returns when Heroku has the add-on's config vars. Throws a sentence when the add-on was given up. */
export async function untilAddonIsMade(heroku: APIClient, addonName: string): Promise<void> {
  for (;;) {
    const now = await stateOf(heroku, addonName);
    if (now === 'provisioned') return;
    if (now !== 'provisioning') throw cancelled(addonName);
    await sleep(LOOK_AGAIN_MS);
  }
}

async function stateOf(heroku: APIClient, addonName: string): Promise<string> {
  try {
    const { body } = await heroku.get(`/addons/${encodeURIComponent(addonName)}`);
    return expected(state, body).state;
  } catch (error) {
    if (error instanceof HerokuAPIError && error.http.statusCode === 404) return 'deprovisioned';
    throw error;
  }
}

/** An add-on that went away while it was waited for. */
export function cancelled(addonName: string): CLIError {
  return new CLIError(`Provisioning cancelled: add-on ${addonName} is gone`);
}
