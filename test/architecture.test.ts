import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');

/** Who may import whom. Whatever is not listed is forbidden. */
const ALLOWED: Record<string, readonly string[]> = {
  contract: [],
  strands: [],
  postgres: [],
  engine: ['contract'],
  'engine-local': ['contract', 'engine', 'postgres'],
  gateway: ['contract'],
  service: ['contract', 'engine', 'strands'],
  platform: ['contract'],
  plugin: ['contract'],
  borealis: ['contract', 'engine-local', 'platform', 'postgres', 'service'],
};

function sources(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.tsx?$/.test(file))
    .map((file) => join(directory, file));
}

/** Every module that a file imports, exports from, or imports on demand. */
function imports(file: string): string[] {
  return ts.preProcessFile(readFileSync(file, 'utf8'), true, true).importedFiles.map(({ fileName }) => fileName);
}

describe.each(Object.entries(ALLOWED))('%s', (name, allowed) => {
  const directory = join(ROOT, 'packages', name);

  test('imports only the packages it may', () => {
    const wrong = sources(join(directory, 'src')).flatMap((file) =>
      imports(file)
        .filter((module) => module.startsWith('@borealis/') && !allowed.includes(module.split('/')[1]!))
        .map((module) => `${relative(ROOT, file)} imports ${module}`),
    );
    expect(wrong).toEqual([]);
  });

  test('reaches into no other package by a path', () => {
    const wrong = sources(join(directory, 'src')).flatMap((file) =>
      imports(file)
        .filter((module) => module.startsWith('.') && !resolve(file, '..', module).startsWith(join(directory, 'src')))
        .map((module) => `${relative(ROOT, file)} imports ${module}`),
    );
    expect(wrong).toEqual([]);
  });

  test('declares every library it imports, and imports every one it declares', () => {
    const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as {
      dependencies?: Record<string, string>;
    };
    const packageOf = (module: string) =>
      module
        .split('/')
        .slice(0, module.startsWith('@') ? 2 : 1)
        .join('/');
    const used = new Set(
      sources(join(directory, 'src'))
        .flatMap(imports)
        .filter((module) => !module.startsWith('.') && !module.startsWith('node:'))
        .map(packageOf)
        .filter((library) => library !== `@borealis/${name}`),
    );
    expect([...used].sort()).toEqual(Object.keys(manifest.dependencies ?? {}).sort());
  });
});

test('every package is in the table', () => {
  expect(readdirSync(join(ROOT, 'packages')).sort()).toEqual([...Object.keys(ALLOWED), 'buildpack'].sort());
});

test('no file is longer than 500 lines', () => {
  const long = Object.keys(ALLOWED)
    .flatMap((name) => sources(join(ROOT, 'packages', name)).filter((file) => !/node_modules|\/dist\//.test(file)))
    .filter((file) => readFileSync(file, 'utf8').split('\n').length > 501);
  expect(long.map((file) => relative(ROOT, file))).toEqual([]);
});
