import type { ExtensionInstalled, InstalledExtensions } from '@borealis/contract';
import { type Engine, EngineError } from '@borealis/engine';
import type { Strands } from '@borealis/strands';
import type { Addon } from '../addons/addon-store.js';
import { assertChangeable, assertWriteAccess } from '../addons/readiness.js';
import type { ControlDatabase } from '../database.js';
import { AppError } from '../errors.js';
import type { Person } from '../platform/platform-api.js';
import { beginChange, completeChange, dropChange, type ExtensionChange } from './changes.js';

/** The extensions of one add-on's database, as its people see them. */
export class Extensions {
  constructor(
    private readonly db: ControlDatabase,
    private readonly engine: Engine,
    private readonly strands: () => Strands,
  ) {}

  async list(addon: Addon): Promise<InstalledExtensions['extensions']> {
    const { installed } = await this.engine.extensions(addon.cluster_id, addon.database_name);
    return installed.map(({ name, schema, version }) => ({ name, schema, version }));
  }

  /**
   * Installs one. Throws `extensionUnsupported` with what is supported, `extensionDependencies` with what it needs first, and
   * `extensionExists` or `extensionSchemaTaken`.
   */
  async install(addon: Addon, person: Person, name: string): Promise<ExtensionInstalled> {
    assertChangeable(addon);
    assertWriteAccess(addon);
    const { cluster_id, database_name } = addon;
    const change = await this.#begin(addon, person, 'install', name);
    try {
      const { schema, version } = await this.engine.installExtension(cluster_id, database_name, name);
      await completeChange(this.db, change, version);
      return { pgExtensionSchema: schema, pgExtensionVersion: version };
    } catch (error) {
      await this.#dropRefused(change, error);
      throw error instanceof EngineError ? await this.#whyNot(addon, name, error) : error;
    }
  }

  /** Removes one. Throws `noExtension`, or `extensionDependents` with what needs it. */
  async remove(addon: Addon, person: Person, name: string): Promise<void> {
    assertChangeable(addon);
    assertWriteAccess(addon);
    const change = await this.#begin(addon, person, 'remove', name);
    try {
      await this.engine.removeExtension(addon.cluster_id, addon.database_name, name);
      await completeChange(this.db, change);
    } catch (error) {
      await this.#dropRefused(change, error);
      throw error instanceof EngineError ? removalRefusal(name, error) : error;
    }
  }

  #begin(addon: Addon, person: Person, change: ExtensionChange['change'], extension: string): Promise<ExtensionChange> {
    return this.db.transaction(async (tx) => {
      // Should this process die, the strand looks at what became of it.
      await this.strands().signal(tx.client, addon.id, 'extension');
      return beginChange(tx, { addon_id: addon.id, change, extension, user_email: person.email });
    });
  }

  /** Only a clear refusal says that nothing has happened. */
  async #dropRefused(change: ExtensionChange, error: unknown): Promise<void> {
    if (error instanceof EngineError && error.code !== 'internal' && error.code !== 'unavailable')
      await dropChange(this.db, change);
  }

  async #whyNot({ cluster_id, database_name }: Addon, name: string, error: EngineError): Promise<Error> {
    const { code, details } = error;
    if (code === 'conflict') return new AppError('writeAccessRevoked', {}, { cause: error });
    if (code === 'dependencies')
      return new AppError('extensionDependencies', { name, needed: details.join(', ') }, { dependencies: details });
    if (code !== 'unsupported' && code !== 'exists') return error;
    const { available, installed } = await this.engine.extensions(cluster_id, database_name);
    if (code === 'unsupported')
      return new AppError('extensionUnsupported', { name, supported: available.map((other) => other.name).join(', ') });
    const isInstalled = installed.some((other) => other.name === name);
    return new AppError(isInstalled ? 'extensionExists' : 'extensionSchemaTaken', { name });
  }
}

function removalRefusal(name: string, error: EngineError): Error {
  if (error.code === 'conflict') return new AppError('writeAccessRevoked', {}, { cause: error });
  if (error.code === 'not_found') return new AppError('noExtension', { name });
  if (error.code === 'dependents')
    return new AppError('extensionDependents', { name, others: error.details.join(', ') });
  return error;
}
