import type { Installation } from './installation.js';

/** The last lines of an app's log, as `heroku logs` would print them. */
export async function appLog(installation: Installation, app: string): Promise<string> {
  const session = await installation.platform<{ logplex_url: string }>('POST', `/apps/${app}/log-sessions`, {
    lines: 1500,
  });
  return (await fetch(session.logplex_url)).text();
}
