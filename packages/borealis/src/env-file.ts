import { join } from 'node:path';
import { readIfThere, writeDurably } from './durable-file.js';

/** What the real command line tools need to find this installation. */
export interface Environment {
  HEROKU_HOST: string;
  HEROKU_API_KEY: string;
  HEROKU_PARTICLEBOARD_URL: string;
  HEROKU_BUILDPACK_REGISTRY_URL: string;
  BOREALIS_PG_API_BASE_URL: string;
  PLATFORM_URL: string;
  ADDON_API_URL: string;
  BOREALIS_CA_FILE: string;
  BOREALIS_HOME: string;
  /** The CLI would warn on every command that it does not compile a linked plugin, which is compiled already. */
  OCLIF_DISABLE_LINKED_ESM_WARNING: string;
}

const quote = (value: string): string => `'${value.replaceAll("'", "'\\''")}'`;

/** Writes `$BOREALIS_HOME/env`: `export` lines, mode 0600 because of the token. */
export async function writeEnvironment(home: string, environment: Environment): Promise<string> {
  const file = join(home, 'env');
  const lines = Object.entries(environment).map(([name, value]) => `export ${name}=${quote(value)}`);
  await writeDurably(file, `${lines.join('\n')}\n`);
  return file;
}

/** Reads what `writeEnvironment` wrote; null when nothing is running from this home. */
export async function readEnvironment(home: string): Promise<Environment | null> {
  const text = await readIfThere(join(home, 'env'));
  if (text === null) return null;
  const found: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const match = /^export ([A-Z_]+)='(.*)'$/.exec(line);
    if (match) found[match[1]!] = match[2]!.replaceAll("'\\''", "'");
  }
  return found as unknown as Environment;
}
