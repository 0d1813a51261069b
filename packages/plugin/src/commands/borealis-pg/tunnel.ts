import { addonFlag, appFlag, portFlag, writeAccessFlag } from '../../flags.js';
import { QuietExit } from '../../quiet-exit.js';
import { withCaFile } from '../../run/ca-file.js';
import { plainUrl } from '../../run/environment.js';
import type { Session } from '../../session.js';
import { openPersonalSession } from '../../session.js';
import { tunnelHost } from '../../settings.js';
import { takeSignals } from '../../signals.js';
import { fieldList } from '../../text.js';
import { localHost } from '../../tunnel/local-host.js';
import { TunnelCommand } from '../../tunnel-command.js';

export default class BorealisPgTunnel extends TunnelCommand {
  static override description = `open a secure tunnel to an add-on database

An add-on database cannot be reached from outside of its private network. The tunnel leads there from a local port for as long as this command runs, so that any PostgreSQL client on this machine can be used: psql, pg_dump, pgAdmin.

The credentials that are shown belong to your own database user and are good for this session only: every new session makes new ones. They allow reading; add --write-access to write as well. What you create belongs to your own database user; hand it over to the app's with REASSIGN OWNED afterwards.

A tunnel that drops is opened again by itself. Ctrl+C closes it.

See also borealis-pg:psql for an interactive session in one step and borealis-pg:run for scripts and single commands.`;

  static override examples = [
    '$ heroku borealis-pg:tunnel --app sushi',
    '$ heroku borealis-pg:tunnel --app sushi --addon BOREALIS_PG_MAROON --port 54321',
    '$ heroku borealis-pg:tunnel --addon borealis-pg-hex-12345 --write-access',
  ];

  static override flags = {
    addon: addonFlag,
    app: appFlag,
    port: portFlag,
    'write-access': writeAccessFlag,
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(BorealisPgTunnel);
    const attachment = await this.resolve(flags);
    const writeAccess = flags['write-access'];
    const session = await this.startSession(attachment, writeAccess, (api) => openPersonalSession(api, writeAccess));
    await withCaFile(session.ca, (caFile) => this.#serve(session, flags.port, caFile));
  }

  /** Holds the tunnel open until Ctrl+C, which exits with 0. Throws when the tunnel cannot be made or kept. */
  async #serve(session: Session, port: number | undefined, caFile: string | undefined): Promise<void> {
    const { name, address } = await localHost();
    let end: (failure?: Error) => void = () => {};
    const ended = new Promise<Error | undefined>((resolve) => {
      end = resolve;
    });
    const restore = takeSignals(['SIGINT', 'SIGTERM', 'SIGHUP'], () => end());
    try {
      const opened = this.openTunnel(session, { host: address, port, anyPort: false }, end).then((tunnel) => {
        this.#show(session, name, tunnel.port, caFile);
        return ended.finally(() => tunnel.close());
      });
      const failure = await Promise.race([ended, opened]);
      if (failure !== undefined) throw failure;
    } finally {
      restore();
    }
    // Returning instead would wait for a connection attempt that is still under way.
    throw new QuietExit(0);
  }

  #show({ database }: Session, host: string, port: number, caFile: string | undefined): void {
    if (host !== tunnelHost())
      this.logToStderr(`The name ${tunnelHost()} does not lead to this machine here, use ${host} instead`);
    this.log('\nSecure tunnel established. Use the following values to connect to the database:');
    const fields: [string, string][] = [
      ['Username', database.username],
      ['Password', database.password.reveal()],
      ['Host', host],
      ['Port', String(port)],
      ['Database name', database.name],
      ['URL', plainUrl({ database, port }, host)],
    ];
    this.log(fieldList(fields));
    if (caFile !== undefined)
      this.logToStderr(`\nTo verify the server's certificate: sslmode=verify-full sslrootcert=${caFile}`);
    this.log('\nPress Ctrl+C to close the tunnel and exit');
  }
}
