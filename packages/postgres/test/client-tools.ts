import { type ClientTools, cacheDirectory, ensureClientTools, ReleaseError } from '../src/index.js';

/** Client programs for a server of that major; null where the machine has none that are new enough and cannot fetch them. */
export async function clientTools(major: string): Promise<ClientTools | null> {
  try {
    return await ensureClientTools({ major, cacheDir: cacheDirectory() });
  } catch (error) {
    if (error instanceof ReleaseError && error.code !== 'corrupt') return null;
    throw error;
  }
}
