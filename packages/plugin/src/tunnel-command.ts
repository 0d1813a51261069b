import type { AddonApi } from './addon-api/client.js';
import { AddonCommand } from './base-command.js';
import type { Attachment } from './platform/attachment.js';
import type { Session } from './session.js';
import { holdInterruptions } from './signals.js';
import type { SshFailure } from './tunnel/ssh-connect.js';
import { type LocalEnd, Tunnel } from './tunnel/tunnel.js';

/** Commands that open a tunnel and say on standard error what becomes of it. */
export abstract class TunnelCommand extends AddonCommand {
  protected startSession(
    attachment: Attachment,
    writeAccess: boolean,
    open: (api: AddonApi) => Promise<Session>,
  ): Promise<Session> {
    const access = writeAccess ? 'read/write' : 'read-only';
    return this.withAddonApi(attachment, `Configuring ${access} user session for`, open);
  }

  protected openTunnel(session: Session, local: LocalEnd, onEnded?: (failure: SshFailure) => void): Promise<Tunnel> {
    return Tunnel.open(session, local, {
      onDropped: () => this.warn('The tunnel has dropped. Connecting again…'),
      onRestored: () => this.logToStderr('The tunnel is back. Connections that were open before it dropped are lost.'),
      onRefused: (error) => this.warn(`A connection through the tunnel was refused: ${error.message}`),
      onEnded: (failure) => (onEnded ?? ((end: SshFailure) => this.warn(end.message)))(failure),
    });
  }

  /** Calls `use` with the local port of a tunnel for this one process, and closes the tunnel afterwards. */
  protected async throughTunnel<T>(
    session: Session,
    port: number | undefined,
    use: (port: number) => Promise<T>,
  ): Promise<T> {
    const { interrupted, release } = holdInterruptions();
    const opening = this.openTunnel(session, { host: '127.0.0.1', port, anyPort: true });
    try {
      const work = opening.then((tunnel) => use(tunnel.port));
      return await Promise.race([work, interrupted]);
    } finally {
      release();
      opening.then(
        (tunnel) => tunnel.close(),
        () => {}, // what kept it from opening is thrown already
      );
    }
  }

  /** Warns when the database's certificate cannot be verified. The tunnel's own server always is, by its host key. */
  protected warnWithoutCa({ ca }: Session): void {
    if (ca === undefined)
      this.warn(
        'The add-on service told no certificate authority: the connection is encrypted, its server not verified',
      );
  }
}
