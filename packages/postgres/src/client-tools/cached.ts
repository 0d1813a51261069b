import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClientTools } from './tools.js';

const MANIFEST = 'client-tools.json';

/** What was fetched; the paths are relative to its directory. */
export interface ToolsManifest {
  version: string;
  /** They need a C library of their own time, and its loader. */
  loader: string;
  libraries: string;
  programs: string;
  /** The packages it was made from: `libpq5_17.11-0_amd64.deb`. */
  packages: string[];
}

export const manifestIn = (root: string): string => join(root, MANIFEST);

/** Where the tools of a major stand in a cache. */
export function toolsDirectory(cacheDir: string, major: number): string {
  return join(cacheDir, `client-tools-${major}`);
}

/** The client programs that were fetched before. */
export async function cachedTools(cacheDir: string): Promise<ClientTools[]> {
  const names = await readdir(cacheDir).catch(() => []);
  const found = names.filter((name) => name.startsWith('client-tools-')).map((name) => readTools(join(cacheDir, name)));
  return (await Promise.all(found)).filter((tools) => tools !== null);
}

/** The tools in `root`; null when there are none. A manifest is only ever there when all of them are. */
export async function readTools(root: string): Promise<ClientTools | null> {
  let text: string;
  try {
    text = await readFile(manifestIn(root), 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  }
  return toolsOf(root, JSON.parse(text) as ToolsManifest);
}

/** Programs of another distribution release run by that release's own loader and libraries, which the system's know nothing of. */
export function toolsOf(root: string, { version, loader, libraries, programs }: ToolsManifest): ClientTools {
  return {
    version,
    command: (program) => [join(root, loader), '--library-path', join(root, libraries), join(root, programs, program)],
  };
}
