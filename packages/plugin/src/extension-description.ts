import type { InstalledExtensions } from '@borealis/contract';

/** One line about an installed extension, an item of a list. */
export function describeExtension({ name, version, schema }: InstalledExtensions['extensions'][number]): string {
  return `- ${name} (version: ${version}, schema: ${schema})`;
}
