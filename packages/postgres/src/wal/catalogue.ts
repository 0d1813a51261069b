import { FIRST_USER_OBJECT, type Named, type Relation } from './catalogue-rows.js';

/** What a table is called. */
export interface TableName {
  schema: string;
  name: string;
}

/** The relations of one database at a moment, as committed transactions have made them. */
export class Catalogue {
  readonly #relations = new Map<number, Relation>();
  readonly #byFile = new Map<number, number>();
  readonly #namespaces = new Map<number, string>();

  put(relation: Relation): void {
    this.forgetFile(relation.oid);
    this.#relations.set(relation.oid, relation);
    if (relation.file !== 0) this.#byFile.set(relation.file, relation.oid);
  }

  drop(oid: number): void {
    this.forgetFile(oid);
    this.#relations.delete(oid);
  }

  /** For a catalogue whose file stands in PostgreSQL's map. */
  putFile(oid: number, file: number): void {
    this.#byFile.set(file, oid);
  }

  /** Schemas that are gone keep their names: so do the tables that went with them. */
  putNamespace({ oid, name }: Named): void {
    this.#namespaces.set(oid, name);
  }

  find(oid: number): Relation | undefined {
    return this.#relations.get(oid);
  }

  all(): Iterable<Relation> {
    return this.#relations.values();
  }

  /** Whose file this is. */
  ownerOf(file: number): number | undefined {
    return this.#byFile.get(file);
  }

  nameOf({ name, namespace }: Relation): TableName {
    return { schema: this.#namespaces.get(namespace) ?? `(schema ${namespace})`, name };
  }

  private forgetFile(oid: number): void {
    const file = this.#relations.get(oid)?.file;
    if (file !== undefined && this.#byFile.get(file) === oid) this.#byFile.delete(file);
  }
}

/** True for what holds rows that somebody has put there, for others to see. */
export function isTable({ oid, kind, persistence }: Relation): boolean {
  return oid >= FIRST_USER_OBJECT && (kind === 'r' || kind === 'p' || kind === 'm') && persistence !== 't';
}
