/**
 * The value of `<NAME>_TUNNEL_BPG_CONN_INFO`: `KEY:=value` pairs joined by `|`, newlines written as `\n`.
 * The buildpack and the plugin's `run` read it; its keys are part of the published clients' contract.
 */
export interface ConnInfo {
  ADDON_ID: string;
  API_BASE_URL: string;
  CLIENT_APP_JWT: string;
  /**
   * PEM of the authority that signed the database's certificate, so that clients can verify it (`verify-full`). The published
   * clients pass over keys they do not know. The buildpack writes it to `$HOME/.borealis-pg/ca.pem`.
   */
  POSTGRES_CA_CERTIFICATE: string;
  POSTGRES_DB_NAME: string;
  POSTGRES_PORT: string;
  POSTGRES_READER_HOST: string;
  POSTGRES_READER_PASSWORD: string;
  POSTGRES_READER_USERNAME: string;
  POSTGRES_WRITER_HOST: string;
  POSTGRES_WRITER_PASSWORD: string;
  POSTGRES_WRITER_USERNAME: string;
  SSH_HOST: string;
  SSH_PORT: string;
  SSH_PUBLIC_HOST_KEY: string;
  SSH_USERNAME: string;
  SSH_USER_PRIVATE_KEY: string;
}

/** Writes the config var. Throws when a value holds `|` or `:=`, which the format cannot carry. */
export function formatConnInfo(info: ConnInfo): string {
  return Object.entries(info)
    .map(([key, value]) => {
      if (value.includes('|') || value.includes(':='))
        throw new Error(`BUG: ${key} cannot be written to the tunnel config var`);
      return `${key}:=${value.replaceAll('\n', '\\n')}`;
    })
    .join('|');
}

/** Reads the config var. Unknown keys are kept, absent ones stay absent; a part without `:=` throws. */
export function parseConnInfo(text: string): Partial<ConnInfo> & Record<string, string> {
  const info: Record<string, string> = {};
  for (const part of text.split('|')) {
    const at = part.indexOf(':=');
    if (at < 1) throw new Error('the tunnel config var is not a list of KEY:=value pairs joined by "|"');
    info[part.slice(0, at)] = part.slice(at + 2).replaceAll('\\n', '\n');
  }
  return info as Partial<ConnInfo> & Record<string, string>;
}
