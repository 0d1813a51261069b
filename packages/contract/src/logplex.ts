/** One line of an app's log, as Logplex takes and gives it. */
export interface LogLine {
  at: Date;
  message: string;
  /** `app` unless the platform itself speaks. */
  app?: string;
  /** Shown in brackets: `app[borealis-pg]`. */
  process?: string;
}

/** Frames lines for `application/logplex-1`: RFC 6587 octet counting around RFC 5424, lengths in bytes. */
export function frameLogLines(lines: readonly LogLine[]): Buffer {
  const frames = lines.map(({ at, message, app = 'app', process = 'borealis-pg' }) => {
    const time = at.toISOString().replace('Z', '000+00:00');
    const text = Buffer.from(`<190>1 ${time} host ${app} ${process} - - ${message.replaceAll('\n', ' ')}`);
    return Buffer.concat([Buffer.from(`${text.length} `), text]);
  });
  return Buffer.concat(frames);
}

const SYSLOG = /^<\d{1,3}>1 (\S+) \S+ (\S+) (\S+) \S+ \S+ ([\s\S]*)$/;

/** Reads what `frameLogLines` writes; throws a plain sentence on a bad count, header or time. */
export function parseLogFrames(body: Buffer): LogLine[] {
  const lines: LogLine[] = [];
  let offset = 0;
  while (offset < body.length) {
    const space = body.indexOf(0x20, offset);
    const count = space < 0 ? Number.NaN : Number(body.subarray(offset, space).toString('latin1'));
    if (!Number.isInteger(count) || count <= 0 || space + 1 + count > body.length)
      throw new Error('a log frame must start with its length in bytes');
    const match = SYSLOG.exec(body.subarray(space + 1, space + 1 + count).toString());
    const at = new Date(match?.[1] ?? '');
    if (!match || Number.isNaN(at.getTime())) throw new Error('a log frame must be an RFC 5424 message with a time');
    lines.push({ at, app: match[2]!, process: match[3]!, message: match[4]! });
    offset = space + 1 + count;
  }
  return lines;
}
