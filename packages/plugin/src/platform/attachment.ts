import { type APIClient, HerokuAPIError } from '@heroku-cli/command';
import { CLIError } from '@oclif/core/errors';
import { z } from 'zod';
import { serviceSlug } from '../settings.js';
import { expected } from './answer.js';

/** The add-on that a command is about, and the name under which the app knows it. */
export interface Attachment {
  addonName: string;
  appName: string;
  attachmentName: string;
}

const attachment = z.object({
  name: z.string(),
  app: z.object({ id: z.string().optional(), name: z.string() }),
  addon: z.object({ id: z.string(), name: z.string() }),
});
type PlatformAttachment = z.infer<typeof attachment>;
const addon = z.object({ id: z.string(), name: z.string(), addon_service: z.object({ name: z.string() }) });

/** Finds the add-on by `--addon`, or the only one of the app `--app`. Throws a sentence that says what to add. */
export async function resolveAttachment(
  heroku: APIClient,
  wanted: { addon?: string | undefined; app?: string | undefined },
): Promise<Attachment> {
  const found = await findAttachment(heroku, wanted);
  return { addonName: found.addon.name, appName: found.app.name, attachmentName: found.name };
}

function findAttachment(
  heroku: APIClient,
  { addon, app }: { addon?: string | undefined; app?: string | undefined },
): Promise<PlatformAttachment> {
  if (addon !== undefined) return attachmentByName(heroku, addon, app);
  if (app !== undefined) return attachmentOfApp(heroku, app);
  throw new CLIError('Say which database: --app APP, --addon ADDON, or both');
}

async function attachmentByName(heroku: APIClient, name: string, app?: string): Promise<PlatformAttachment> {
  const matches = await resolveName(heroku, name, app);
  const [first] = matches;
  if (first === undefined) throw notFound(name, app);
  const chosen = matches.find((match) => belongsTo(match, app)) ?? first;
  // Taking any of several databases for the one that was meant could end in a write to the wrong one.
  if (!belongsTo(chosen, app) && new Set(matches.map((match) => match.addon.id)).size > 1)
    throw new CLIError(`"${name}" stands for several add-ons (${namesOf(matches)}). Add --app APP to choose one`);
  const { body } = await heroku.get(`/addons/${encodeURIComponent(chosen.addon.id)}`);
  if (expected(addon, body).addon_service.name !== serviceSlug())
    throw new CLIError(`Add-on ${chosen.addon.name} is not a Borealis Isolated Postgres add-on`);
  return chosen;
}

async function resolveName(heroku: APIClient, name: string, app?: string): Promise<PlatformAttachment[]> {
  try {
    const body = { ...(app === undefined ? {} : { app }), addon_attachment: name };
    const answer = await heroku.post('/actions/addon-attachments/resolve', { body });
    return expected(z.array(attachment), answer.body);
  } catch (error) {
    if (error instanceof HerokuAPIError && error.http.statusCode === 404 && error.body.resource !== 'app')
      throw notFound(name, app);
    throw error;
  }
}

async function attachmentOfApp(heroku: APIClient, app: string): Promise<PlatformAttachment> {
  const answer = await heroku.get(`/apps/${encodeURIComponent(app)}/addons`);
  const ours = expected(z.array(addon), answer.body).filter((one) => one.addon_service.name === serviceSlug());
  const [only] = ours;
  if (only === undefined) throw new CLIError(`App ${app} has no Borealis Isolated Postgres add-on`);
  if (ours.length > 1) {
    const names = ours.map((one) => one.name).join(', ');
    throw new CLIError(`App ${app} has several Borealis Isolated Postgres add-ons (${names}). Choose one with --addon`);
  }
  const { body } = await heroku.get(`/addons/${encodeURIComponent(only.id)}/addon-attachments`);
  const found = expected(z.array(attachment), body).find((one) => belongsTo(one, app));
  if (found === undefined) throw new CLIError(`Add-on ${only.name} is no longer attached to app ${app}`);
  return found;
}

function belongsTo(one: PlatformAttachment, app: string | undefined): boolean {
  return app !== undefined && (one.app.name === app || one.app.id === app);
}

function namesOf(matches: PlatformAttachment[]): string {
  return [...new Set(matches.map((match) => match.addon.name))].join(', ');
}

function notFound(name: string, app: string | undefined): CLIError {
  return new CLIError(
    app === undefined
      ? `Add-on or attachment "${name}" was not found. Consider trying again with --app`
      : `Add-on or attachment "${name}" was not found on app ${app}`,
  );
}
