import { afterAll, beforeAll, beforeEach } from 'vitest';
import { ApiServer } from './api-server.js';
import type { Finished } from './cli.js';
import { layOutHeroku } from './heroku.js';
import { runAtTerminal } from './terminal.js';

/** An API of the test file's own, before each test as Heroku is with an app and its add-on, and commands run against it. */
export function useApi() {
  const api = new ApiServer();
  process.env.TZ = 'UTC';
  beforeAll(() => api.start());
  afterAll(() => api.stop());
  beforeEach(() => {
    api.requests.length = 0;
    api.answers.clear();
    layOutHeroku(api);
  });
  const run = (command: unknown, args: string[], typed?: string): Promise<Finished> =>
    runAtTerminal(api.url, command, args, typed);
  return { api, run };
}
