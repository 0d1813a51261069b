import { extensionInstalled, type InstalledExtensions } from '@borealis/contract';
import type { AddonApi } from './client.js';
import { AddonApiRefusal, type Meanings, tolerating } from './refusal.js';

type Extension = InstalledExtensions['extensions'][number];

/** Installs one extension. Throws when it needs others that are missing: the refusal's `dependencies` names them. */
export async function installExtension(api: AddonApi, name: string): Promise<Extension[]> {
  const body = { pgExtensionName: name };
  const installed = await api.request('POST', '/pg-extensions', extensionInstalled, { body, meanings: meanings(name) });
  return [{ name, schema: installed.pgExtensionSchema, version: installed.pgExtensionVersion }];
}

/**
 * Installs an extension after everything that it needs, one after the other; gives the extension first. What is
 * installed already is left alone. `dependents` leads from the extension that was asked for to this one.
 */
export async function installRecursively(api: AddonApi, name: string, dependents: string[] = []): Promise<Extension[]> {
  try {
    return await installExtension(api, name);
  } catch (error) {
    const missing = (error instanceof AddonApiRefusal && error.details.dependencies) || [];
    const chain = [...dependents, name];
    // Extensions that need each other could never be installed, and must not be tried for ever.
    if (missing.length === 0 || missing.some((one) => chain.includes(one))) throw error;
    const dependencies: Extension[] = [];
    for (const one of missing) {
      const result = await tolerating(isInstalled, installRecursively(api, one, chain));
      if (!(result instanceof AddonApiRefusal)) dependencies.push(...result);
    }
    return [...(await installExtension(api, name)), ...dependencies];
  }
}

/** True when the extension is there already. */
export function isInstalled({ status }: AddonApiRefusal): boolean {
  return status === 409;
}

function meanings(name: string): Meanings {
  return {
    400: (_, { dependencies, reason }) =>
      dependencies === undefined
        ? (reason ?? `${name} is not a supported PostgreSQL extension`)
        : `Extension ${name} needs extensions that are not installed: ${dependencies.join(', ')}. Install them first, ` +
          'or add --recursive to install them together with it',
    409: (_, { reason }) =>
      reason ?? `Extension ${name} is already installed, or the database has a schema of the same name`,
  };
}
