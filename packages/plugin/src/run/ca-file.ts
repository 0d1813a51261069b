import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The certificate authority in a file, which is the only form libpq takes it in; gone when the process ends. */
export class CaFile {
  readonly path: string;
  readonly #directory: string;
  readonly #remove = () => rmSync(this.#directory, { recursive: true, force: true });

  constructor(pem: string) {
    this.#directory = mkdtempSync(join(tmpdir(), 'borealis-pg-'));
    this.path = join(this.#directory, 'ca.pem');
    process.once('exit', this.#remove);
    writeFileSync(this.path, pem, { mode: 0o600 });
  }

  remove(): void {
    process.off('exit', this.#remove);
    this.#remove();
  }
}

/** Calls `use` with the authority's file, or with undefined where there is none, and removes the file afterwards. */
export async function withCaFile<T>(ca: string | undefined, use: (path: string | undefined) => Promise<T>): Promise<T> {
  if (ca === undefined) return use(undefined);
  const file = new CaFile(ca);
  try {
    return await use(file.path);
  } finally {
    file.remove();
  }
}
