/** Name and value of a ParameterStatus body, as bytes in Latin-1: in which encoding they are, the client's setting says. */
export function parameterOf(body: Buffer): [name: string, value: string] {
  const [name = '', value = ''] = body.toString('latin1').split('\0');
  return [name, value];
}
