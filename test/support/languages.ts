import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { buildSync } from 'esbuild';

const ROOT = resolve(import.meta.dirname, '../..');
const JDBC = '/usr/share/java/postgresql.jar';
const GO_LIBRARIES = '/usr/share/gocode';

export interface Language {
  /** What has to be installed, for people; `.ci/run` installs it. */
  needs: string;
  installed(): boolean;
  /** Puts a program into a slug, compiled where the language wants it, and returns the command that runs it there. */
  build(slug: string, name: string, program: string): string;
}

const works = (command: string, ...args: string[]) => spawnSync(command, args).status === 0;

/** Writes the program to a file and runs it with an interpreter. */
const interpreted = (command: () => string, extension: string) => (slug: string, name: string, program: string) => {
  writeFileSync(join(slug, `${name}.${extension}`), program);
  return `${command()} ${name}.${extension}`;
};

/** The first Python that has these modules: a machine may have several, and the packages of Debian belong to Debian's. */
function pythonWith(modules: string): string | undefined {
  return ['python3', '/usr/bin/python3']
    .map((python) => spawnSync(python, ['-c', `import sys, ${modules}; print(sys.executable)`], { encoding: 'utf8' }))
    .find(({ status }) => status === 0)
    ?.stdout.trim();
}

function python(needs: string, modules: string): Language {
  const command = () => pythonWith(modules)!;
  return { needs, installed: () => pythonWith(modules) !== undefined, build: interpreted(command, 'py') };
}

function php(extension: string): Language {
  return {
    needs: 'php-cli and php-pgsql',
    installed: () => works('php', '-r', `exit(extension_loaded("${extension}") ? 0 : 1);`),
    build: interpreted(() => 'php', 'php'),
  };
}

/** A directory for sources, which is gone when `work` has ended. */
function withSources(work: (directory: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'source-'));
  try {
    work(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function buildJava(slug: string, name: string, program: string): string {
  withSources((directory) => {
    writeFileSync(join(directory, 'App.java'), program);
    execFileSync('javac', ['-cp', JDBC, '-d', join(slug, name), join(directory, 'App.java')], { stdio: 'pipe' });
  });
  mkdirSync(join(slug, '.profile.d'), { recursive: true });
  cpSync(join(import.meta.dirname, 'java-buildpack.sh'), join(slug, '.profile.d/jvmcommon.sh'));
  return `java -cp ${JDBC}:${name} App`;
}

/** Offline, with Debian's sources of the libraries. */
function buildGo(slug: string, name: string, program: string): string {
  withSources((directory) => {
    writeFileSync(join(directory, 'main.go'), program);
    const env = { ...process.env, GO111MODULE: 'off', GOPATH: GO_LIBRARIES, GOFLAGS: '' };
    execFileSync('go', ['build', '-o', join(slug, name), 'main.go'], { cwd: directory, env, stdio: 'pipe' });
  });
  return `./${name}`;
}

/** `pg` comes along in one file: a dyno's user may not be able to read this project's node_modules. */
function buildNode(slug: string, name: string, program: string): string {
  buildSync({
    stdin: { contents: `module.exports = require('pg')`, resolveDir: ROOT },
    outfile: join(slug, 'node_modules/pg/index.js'),
    bundle: true,
    platform: 'node',
    format: 'cjs',
    external: ['pg-native'],
  });
  return interpreted(() => process.execPath, 'cjs')(slug, name, program);
}

/** The clients of docs/clients.md, by their heading there. */
export const languages = {
  Ruby: {
    needs: 'ruby and ruby-pg',
    installed: () => works('ruby', '-rpg', '-e', ''),
    build: interpreted(() => 'ruby', 'rb'),
  },
  Python: python('python3-psycopg', 'psycopg'),
  Django: python('python3-django, python3-dj-database-url and python3-psycopg2', 'django, dj_database_url, psycopg2'),
  Java: {
    needs: 'a JDK and libpostgresql-jdbc-java',
    installed: () => works('javac', '--version') && existsSync(JDBC),
    build: buildJava,
  },
  'Node.js': { needs: 'nothing more', installed: () => true, build: buildNode },
  Go: {
    needs: 'golang-go and golang-github-lib-pq-dev',
    installed: () => works('go', 'version') && existsSync(join(GO_LIBRARIES, 'src/github.com/lib/pq')),
    build: buildGo,
  },
  PHP: php('pgsql'),
  'PHP Data Objects': php('pdo_pgsql'),
} satisfies Record<string, Language>;
