/** A column of a result. */
export interface Column {
  name: string;
  /** The OID of its type. */
  type: number;
  /** What its declaration says of it beside, as in `numeric(10,2)`; -1: nothing. */
  modifier: number;
}

/** The columns of a RowDescription's body whose names are in UTF-8. */
export function columnsOf(body: Buffer): Column[] {
  let at = 2;
  return Array.from({ length: body.readUInt16BE(0) }, () => {
    const end = body.indexOf(0, at);
    const name = body.toString('utf8', at, end);
    at = end + 1 + 18;
    return { name, type: body.readUInt32BE(end + 7), modifier: body.readInt32BE(end + 13) };
  });
}
