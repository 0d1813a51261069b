import { parseConnInfo, Secret } from '@borealis/contract';
import type { APIClient } from '@heroku-cli/command';
import { CLIError } from '@oclif/core/errors';
import { z } from 'zod';
import type { DatabaseAccess } from '../addon-api/personal-users.js';
import { expected } from './answer.js';
import type { Attachment } from './attachment.js';

/** The app's own database credentials, from the config var that its add-on keeps: the writer's or the reader's. */
export async function fetchAppCredentials(
  heroku: APIClient,
  { appName, attachmentName }: Attachment,
  writeAccess: boolean,
): Promise<DatabaseAccess> {
  const { body } = await heroku.get(`/apps/${encodeURIComponent(appName)}/config-vars`);
  const vars = expected(z.record(z.string(), z.string()), body);
  const names = [`${attachmentName}_TUNNEL_BPG_CONN_INFO`, `${attachmentName}_SSH_TUNNEL_BPG_CONNECTION_INFO`];
  const name = names.find((one) => vars[one]) ?? names[0];
  const text = vars[name as string];
  if (!text)
    throw new CLIError(`App ${appName} has no config var ${name}. It appears when the add-on is finished provisioning`);
  const access = readConnInfo(text, writeAccess ? 'WRITER' : 'READER');
  if (access === undefined)
    throw new CLIError(`The config var ${name} of app ${appName} is not valid. It may have been edited by hand`);
  return access;
}

function readConnInfo(text: string, role: 'WRITER' | 'READER'): DatabaseAccess | undefined {
  const info = fields(text);
  const host = info[`POSTGRES_${role}_HOST`];
  const username = info[`POSTGRES_${role}_USERNAME`];
  const password = info[`POSTGRES_${role}_PASSWORD`];
  const name = info.POSTGRES_DB_NAME;
  const port = Number(info.POSTGRES_PORT ?? 5432);
  if (!host || !username || !password || !name || !Number.isInteger(port)) return undefined;
  return { host, port, name, username, password: new Secret(password) };
}

function fields(text: string): Record<string, string> {
  try {
    return parseConnInfo(text);
  } catch {
    return {};
  }
}
