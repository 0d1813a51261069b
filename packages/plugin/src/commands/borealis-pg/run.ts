import { readFileSync } from 'node:fs';
import { flags } from '@heroku-cli/command';
import { CLIError } from '@oclif/core/errors';
import type { AddonApi } from '../../addon-api/client.js';
import { addonFlag, appFlag, portFlag, writeAccessFlag } from '../../flags.js';
import { fetchAppCredentials } from '../../platform/app-credentials.js';
import type { Attachment } from '../../platform/attachment.js';
import { QuietExit } from '../../quiet-exit.js';
import { withCaFile } from '../../run/ca-file.js';
import { runChild } from '../../run/child.js';
import { commandEnvironment } from '../../run/environment.js';
import { FORMATS, type Format, formatResult } from '../../run/formats.js';
import { runSql } from '../../run/sql.js';
import { openAppSession, openPersonalSession, type Session } from '../../session.js';
import { TunnelCommand } from '../../tunnel-command.js';

const WORK = ['db-cmd', 'db-cmd-file', 'shell-cmd'];

export default class BorealisPgRun extends TunnelCommand {
  static override description = `run a database command or a shell command through a secure tunnel

Opens a secure tunnel to an add-on database, runs one command and closes the tunnel. The command works as the app's own database user, or as yours with --personal-user; what it creates belongs to that user. It may only read unless --write-access is given.

A database command (--db-cmd, --db-cmd-file) is sent to PostgreSQL as it is. It may hold several statements, which then are one transaction; the last one's result is printed on standard output. The exit code is 1 after an SQL error.

A shell command (--shell-cmd) runs on this machine, for instance the migrations of an app. It finds the database through these variables: DATABASE_URL, PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD, PGSSLMODE and PGSSLROOTCERT. Its exit code is passed on.

The certificate of the database is verified.

See also borealis-pg:psql for an interactive session and borealis-pg:tunnel for other PostgreSQL clients.`;

  static override examples = [
    `$ heroku borealis-pg:run --app sushi --db-cmd 'SELECT * FROM hello_greeting' --format csv`,
    '$ heroku borealis-pg:run --app sushi --addon BOREALIS_PG_MAROON --db-cmd-file ~/scripts/example.sql --personal-user',
    `$ heroku borealis-pg:run --addon borealis-pg-hex-12345 --shell-cmd './manage.py migrate' --write-access`,
    '$ echo "SELECT now()" | heroku borealis-pg:run --app sushi --db-cmd-file - --format json',
  ];

  static override flags = {
    addon: addonFlag,
    app: appFlag,
    'db-cmd': flags.string({
      char: 'd',
      description: 'database command to run: one or more SQL statements',
      exactlyOne: WORK,
    }),
    'db-cmd-file': flags.string({
      char: 'i',
      description: 'UTF-8 file with the database commands to run; - reads standard input',
      exactlyOne: WORK,
    }),
    format: flags.option({
      char: 'f',
      default: 'table' as Format,
      description: 'output format for the result of a database command',
      exclusive: ['shell-cmd'],
      options: FORMATS,
    })(),
    'personal-user': flags.boolean({
      char: 'u',
      default: false,
      description: "run as your own database user instead of the app's",
    }),
    port: portFlag,
    'shell-cmd': flags.string({
      char: 'e',
      description: 'shell command to run while the tunnel is open',
      exactlyOne: WORK,
    }),
    'write-access': writeAccessFlag,
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(BorealisPgRun);
    const script = flags['db-cmd'] ?? readScript(flags['db-cmd-file']);
    const attachment = await this.resolve(flags);
    const writeAccess = flags['write-access'];
    const session = await this.startSession(attachment, writeAccess, (api) =>
      this.#open(api, attachment, writeAccess, flags['personal-user']),
    );
    this.warnWithoutCa(session);
    if (script !== undefined) await this.#runScript(session, flags.port, script, flags.format);
    else await this.#runShell(session, flags.port, flags['shell-cmd'] ?? '');
  }

  #open(api: AddonApi, attachment: Attachment, writeAccess: boolean, personal: boolean): Promise<Session> {
    if (personal) return openPersonalSession(api, writeAccess);
    return openAppSession(api, fetchAppCredentials(this.heroku, attachment, writeAccess));
  }

  async #runScript(session: Session, port: number | undefined, script: string, format: Format): Promise<void> {
    const { database, ca } = session;
    const result = await this.throughTunnel(session, port, (localPort) =>
      runSql({ database, ca, port: localPort }, script, (notice) => this.logToStderr(notice)),
    );
    const text = formatResult(result, format);
    if (text !== '') this.log(text);
  }

  async #runShell(session: Session, port: number | undefined, command: string): Promise<void> {
    const code = await withCaFile(session.ca, (caFile) =>
      this.throughTunnel(session, port, (localPort) => {
        const env = commandEnvironment({ database: session.database, port: localPort, caFile });
        return runChild(command, [], { env, shell: true });
      }),
    );
    if (code !== 0) throw new QuietExit(code);
  }
}

/** Reads the script before anything else is done, so that a wrong path costs nothing. */
function readScript(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new CLIError(READ_FAILURES[code ?? '']?.(path) ?? `${path} cannot be read: ${message}`);
  }
}

const READ_FAILURES: Record<string, (path: string) => string> = {
  ENOENT: (path) => `There is no file ${path}`,
  EISDIR: (path) => `${path} is a directory, not a file`,
  EACCES: (path) => `You have no permission to read the file ${path}`,
};
