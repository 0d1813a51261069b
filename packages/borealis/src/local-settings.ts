import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Config, readConfig } from './config.js';

/** The checkout this code runs from. */
export const PROJECT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');

/** The settings a supervised process runs by: its parent's environment, where home and ports are final. */
export function processConfig(): Config {
  return readConfig(process.env, PROJECT);
}
