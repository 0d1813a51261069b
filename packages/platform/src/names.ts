import { randomInt } from 'node:crypto';
import { invalid } from './errors.js';

const ADJECTIVES = 'ancient bold calm crisp damp eager frosty gentle hidden icy lively mellow polar quiet silent'.split(
  ' ',
);
const NOUNS = 'aurora brook cliff dawn fjord glacier harbor island lake meadow peak ridge shore tundra valley'.split(
  ' ',
);
const SHAPES =
  'acute amorphous angular clean concave contoured convex crystalline cubic curved cylindrical deep elliptical flat flexible globular graceful horizontal infinite metric octagonal opaque parallel pointy rectangular reticulated round shaped silhouetted solid spherical sinuous symmetrical tetrahedral transparent trapezoidal triangular vertical'.split(
    ' ',
  );
export const COLOURS =
  'AMBER AQUA BLACK BLUE BRONZE BROWN CHARCOAL COBALT COPPER CRIMSON CYAN GOLD GRAY GREEN IVORY JADE MAROON MAUVE NAVY OLIVE ONYX ORANGE PINK PUCE PURPLE RED ROSE SILVER TEAL VIOLET WHITE YELLOW'.split(
    ' ',
  );

function pick(words: readonly string[]): string {
  return words[randomInt(words.length)]!;
}

export function randomAppName(): string {
  return `${pick(ADJECTIVES)}-${pick(NOUNS)}-${randomInt(10_000, 99_999)}`;
}

export function randomAddonName(service: string): string {
  return `${service}-${pick(SHAPES)}-${randomInt(10_000, 99_999)}`;
}

/** `DATABASE` when that is free, else the prefix with a colour, else with a number. */
export function defaultAttachmentName(prefix: string, isTaken: (name: string) => boolean): string {
  const start = randomInt(COLOURS.length);
  const colours = [...COLOURS.slice(start), ...COLOURS.slice(0, start)].map((colour) => `${prefix}_${colour}`);
  const free = ['DATABASE', ...colours].find((name) => !isTaken(name));
  return free ?? `${prefix}_${randomInt(100_000, 999_999)}`;
}

export function checkAppName(name: string): string {
  if (!/^[a-z][a-z0-9-]{1,28}[a-z0-9]$/.test(name))
    throw invalid(
      'Name must be 3 to 30 characters long, start with a letter, end with a letter or digit and can only contain lowercase letters, digits, and dashes.',
    );
  return name;
}

export function checkAddonName(name: string): string {
  if (!/^[a-z][a-z0-9-]{1,126}[a-z0-9]$/.test(name))
    throw invalid(
      'An add-on name must be 3 to 128 characters long, start with a letter, end with a letter or digit and can only contain lowercase letters, digits, and dashes.',
    );
  return name;
}

/** The attachment's name in capitals, as it stands in config vars. */
export function checkAttachmentName(name: string): string {
  const upper = name.toUpperCase();
  if (!/^[A-Z][A-Z0-9_]{0,63}$/.test(upper))
    throw invalid(
      'An attachment name must be at most 64 characters long, start with a letter and can only contain letters, digits, and underscores.',
    );
  return upper;
}

export function checkConfigVarName(name: string): string {
  if (name.length > 256 || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || name.startsWith('__'))
    throw invalid(
      'A config var name must be at most 256 characters long, start with a letter or one underscore and can only contain letters, digits, and underscores.',
    );
  return name;
}
