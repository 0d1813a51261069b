import { flags } from '@heroku-cli/command';
import { CLIError } from '@oclif/core/errors';
import { addonFlag, appFlag, portFlag, writeAccessFlag } from '../../flags.js';
import { QuietExit } from '../../quiet-exit.js';
import { withCaFile } from '../../run/ca-file.js';
import { runChild } from '../../run/child.js';
import { psqlEnvironment } from '../../run/environment.js';
import { openPersonalSession } from '../../session.js';
import { TunnelCommand } from '../../tunnel-command.js';

export default class BorealisPgPsql extends TunnelCommand {
  static override description = `start an interactive psql session with an add-on database

Opens a secure tunnel, starts psql through it and closes the tunnel when psql ends. psql has to be installed on this machine; it comes with PostgreSQL.

You are connected as your own database user, with credentials that are good for this session only. They allow reading; add --write-access to write as well. What you create belongs to your own database user; hand it over to the app's with REASSIGN OWNED afterwards.

The certificate of the database is verified. The exit code is psql's own.

See also borealis-pg:run for scripts and single commands and borealis-pg:tunnel for other PostgreSQL clients.`;

  static override examples = [
    '$ heroku borealis-pg:psql --app sushi',
    '$ heroku borealis-pg:psql --app sushi --addon BOREALIS_PG_MAROON --write-access',
    '$ heroku borealis-pg:psql --addon borealis-pg-hex-12345 --binary-path /usr/lib/postgresql/16/bin/psql',
  ];

  static override flags = {
    addon: addonFlag,
    app: appFlag,
    'binary-path': flags.string({
      char: 'b',
      helpValue: '<path>',
      description: 'psql executable to use instead of the one on the PATH',
    }),
    port: portFlag,
    'write-access': writeAccessFlag,
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(BorealisPgPsql);
    const attachment = await this.resolve(flags);
    const writeAccess = flags['write-access'];
    const session = await this.startSession(attachment, writeAccess, (api) => openPersonalSession(api, writeAccess));
    this.warnWithoutCa(session);
    const code = await withCaFile(session.ca, (caFile) =>
      this.throughTunnel(session, flags.port, (port) =>
        startPsql(flags['binary-path'], psqlEnvironment({ database: session.database, port, caFile })),
      ),
    );
    if (code !== 0) throw new QuietExit(code);
  }
}

async function startPsql(path: string | undefined, env: Record<string, string | undefined>): Promise<number> {
  try {
    return await runChild(path ?? 'psql', [], { env });
  } catch (error) {
    throw new CLIError(psqlFailure(path, error as NodeJS.ErrnoException), { exit: 1 });
  }
}

function psqlFailure(path: string | undefined, error: NodeJS.ErrnoException): string {
  if (path !== undefined) return `psql cannot be started from --binary-path ${path}: ${error.code ?? error.message}`;
  if (error.code !== 'ENOENT') return `psql cannot be started: ${error.message}`;
  return (
    'psql is not installed. Install it with "apt-get install postgresql-client" (Debian, Ubuntu) or ' +
    '"brew install libpq" (macOS), or tell where it is with --binary-path (-b)'
  );
}
