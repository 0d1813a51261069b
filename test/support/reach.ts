import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { rootCertificates } from 'node:tls';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { clientProgram } from './client-programs.js';
import type { Installation } from './installation.js';
import { languages } from './languages.js';

const CLI = resolve(import.meta.dirname, '../../packages/borealis/dist/cli.js');

/** What a program of docs/clients.md did: the role that it was logged in as, or `failed`. */
interface Reach {
  /** As it stands there, with what a dyno has. */
  plain: string;
  /** With nothing but the config var, as in a container whose command cannot get variables. */
  alone: string;
  /** Changed to verify the server's name. */
  verified: string;
  /** The changed one, where another authority is trusted. */
  otherAuthority: string;
  /** The plain one, by an address that the certificate does not name. */
  plainElsewhere: string;
  /** The changed one, by that address. */
  verifiedElsewhere: string;
}

/**
 * The program of docs/clients.md reaches the app's database with the config var as it is, and, changed as the page says, no
 * other server. `otherwise`: what a client does in another way than most.
 */
export async function expectReach(
  installation: Installation,
  app: string,
  heading: keyof typeof languages,
  otherwise: Partial<Reach> = {},
): Promise<void> {
  const role = new URL((await installation.config(app)).DATABASE_URL!).username;
  const { seen, errors } = await reach(installation, app, heading);
  expect(seen, errors).toEqual({
    plain: role,
    alone: role,
    verified: role,
    otherAuthority: 'failed',
    plainElsewhere: role,
    verifiedElsewhere: 'failed',
    ...otherwise,
  });
}

/** Runs a language's program in one dyno of the app, in every way of `Reach`. `errors` is for people. */
async function reach(
  installation: Installation,
  app: string,
  heading: keyof typeof languages,
): Promise<{ seen: Reach; errors: string }> {
  const slug = mkdtempSync(join(tmpdir(), 'lang-'));
  try {
    writeFileSync(join(slug, 'other.pem'), rootCertificates[0]!);
    cpSync(join(import.meta.dirname, 'elsewhere.cjs'), join(slug, 'elsewhere.cjs'));
    writeFileSync(join(slug, 'all.sh'), script(commands(slug, heading)));
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      [CLI, 'dyno', '-a', app, '--slug', slug, '--', 'bash', 'all.sh'],
      { env: { ...process.env, ...installation.environment } },
    );
    const seen = Object.fromEntries(stdout.split('\n').flatMap((line) => (line ? [line.split('=')] : []))) as Reach;
    return { seen, errors: stderr };
  } finally {
    rmSync(slug, { recursive: true, force: true });
  }
}

function commands(slug: string, heading: keyof typeof languages): Record<keyof Reach, string> {
  const program = clientProgram(heading);
  const plain = languages[heading].build(slug, 'plain', program.plain);
  const verified = languages[heading].build(slug, 'verified', program.verified);
  const elsewhere = [
    `DATABASE_URL="\${DATABASE_URL/@*:/@127.0.0.2:}"`,
    `JDBC_DATABASE_URL="\${JDBC_DATABASE_URL/\\/\\/*:/\\/\\/127.0.0.2:}"`,
  ].join(' ');
  return {
    plain,
    alone: `env -u PGSSLROOTCERT -u NODE_EXTRA_CA_CERTS ${plain}`,
    verified,
    otherAuthority: `env PGSSLROOTCERT="$HOME/other.pem" NODE_EXTRA_CA_CERTS="$HOME/other.pem" ${verified}`,
    plainElsewhere: `${elsewhere} ${plain}`,
    verifiedElsewhere: `${elsewhere} ${verified}`,
  };
}

/** One after the other, each as a line of `name=result`. */
function script(all: Record<string, string>): string {
  const lines = Object.entries(all).map(([name, command]) => `echo "${name}=$(${command} || echo failed)"`);
  const proxy = `exec 3< <(exec ${process.execPath} elsewhere.cjs); proxy=$!; read -r -u 3; exec 3<&-`;
  return [proxy, ...lines, 'kill "$proxy"', ''].join('\n');
}
