import { DENIED, NEED_PRELOAD } from './denied.js';

/** The page that says which extensions are not offered, and why. */
export function extensionsReference(): string {
  const rows = [...DENIED, NEED_PRELOAD].map(
    ({ names, reason }) => `| ${names.map((name) => `\`${name}\``).join(', ')} | ${reason} |`,
  );
  return [
    '# Extensions that are not offered',
    '',
    'Everything else that comes with a database’s PostgreSQL can be installed, if it loads on the machine and what it requires is offered.',
    '`*` stands for any characters; the first row that fits counts. This page is made from code.',
    '',
    '| extension | why |',
    '| --------- | --- |',
    ...rows,
    '',
  ].join('\n');
}
