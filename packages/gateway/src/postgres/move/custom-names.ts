/** Names of settings as PostgreSQL compares them, from dotted identifiers as they stand in SQL. */
export function customNames(identifiers: Iterable<string>): string[] {
  const names = [...identifiers].map((identifier) =>
    identifier.replace(/"((?:[^"]|"")*)"/g, (_quoted, inner: string) => inner.replaceAll('""', '"')),
  );
  return [...new Set(names.map((name) => name.replace(/[A-Z]/g, (letter) => letter.toLowerCase())))];
}
