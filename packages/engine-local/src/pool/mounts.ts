import { readFile } from 'node:fs/promises';

export interface Mount {
  /** `major:minor`. */
  device: string;
  path: string;
  type: string;
  /** `/dev/loop0`, for one. */
  source: string;
}

/** What is mounted, in the order it was. */
export async function mounts(): Promise<Mount[]> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).trim().split('\n');
  return lines.map((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [, , device = '', , path = ''] = before.split(' ');
    const [type = '', source = ''] = after.split(' ');
    return { device, path: plainText(path), type, source: plainText(source) };
  });
}

/** The kernel writes blanks and the like as three octal digits. */
function plainText(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
