/** Lines of `name: value` with the names aligned at their right end, one space from the margin. */
export function fieldList(fields: [name: string, value: string][]): string {
  const width = 1 + Math.max(...fields.map(([name]) => name.length));
  return fields.map(([name, value]) => `${name.padStart(width)}: ${value}`).join('\n');
}
