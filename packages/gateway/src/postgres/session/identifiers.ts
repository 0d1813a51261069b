/** PostgreSQL's own numbers up to here are the same in every cluster of every major; above, each cluster has others. */
export const FIRST_OF_CLUSTER = 10_000;
/** Tables of users' own begin here: an OID in one of their columns is data. */
const FIRST_OF_USERS = 16_384;

/** Types whose values are OIDs, or tell those of others (`record`, in binary), their arrays and `oidvector` included. */
const TELLING = new Set([
  ...[24, 1008, 26, 1028, 30, 1013], // regproc, oid, oidvector
  ...[2202, 2207, 2203, 2208, 2204, 2209, 2205, 2210, 2206, 2211], // regprocedure, regoper, regoperator, regclass, regtype
  ...[3734, 3735, 3769, 3770, 4089, 4090, 4096, 4097, 4191, 4192], // regconfig, regdictionary, regnamespace, regrole, regcollation
  ...[2249, 2287], // record
]);

const BINARY = 1;

/**
 * Follows whether a client may know numbers (OIDs) of types, tables or functions by which it would mean something else on a server with
 * other catalogs: after a major upgrade. Drivers keep what a number once meant for as long as the connection lasts.
 */
export class Identifiers {
  #known = false;

  /** False: proven that nothing but PostgreSQL's own types was spoken of. It never becomes false again. */
  get known(): boolean {
    return this.#known;
  }

  /** Something passed that was not looked at. */
  missed(): void {
    this.#known = true;
  }

  /** Body of a Parse: the client may say what its parameters are. */
  parse(body: Buffer): void {
    const counted = body.indexOf(0, body.indexOf(0) + 1) + 1;
    this.parameters(body.subarray(counted));
  }

  /** Body of a ParameterDescription. */
  parameters(body: Buffer): void {
    for (let at = 2; at + 4 <= body.length; at += 4) this.#see(body.readUInt32BE(at));
  }

  /** Body of a FunctionCall. */
  call(body: Buffer): void {
    if (body.length >= 4) this.#see(body.readUInt32BE(0));
  }

  /** Body of a CopyInResponse or CopyOutResponse: arrays have the number of their elements' type in binary. */
  copy(body: Buffer): void {
    if (body[0] === BINARY) this.#known = true;
  }

  /** Body of a RowDescription. */
  row(body: Buffer): void {
    for (let at = body.indexOf(0, 2) + 1; at > 0 && !this.#known; at = body.indexOf(0, at + 18) + 1)
      this.#column(body, at);
  }

  /** `at`: behind the column's name. */
  #column(body: Buffer, at: number): void {
    const [table, attribute, type] = [body.readUInt32BE(at), body.readInt16BE(at + 4), body.readUInt32BE(at + 6)];
    const isData = table >= FIRST_OF_USERS && attribute > 0;
    if (TELLING.has(type) && !isData) this.#known = true;
    this.#see(type);
  }

  #see(oid: number): void {
    if (oid >= FIRST_OF_CLUSTER) this.#known = true;
  }
}
