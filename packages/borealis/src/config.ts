import { resolve } from 'node:path';
import { POSTGRES_BUILDS, type PostgresBuild, TUNNEL_HOST } from '@borealis/contract';
import type { KeySource } from '@borealis/engine-local';
import { z } from 'zod';

/** One environment variable: what it means, and what holds when it is not set. */
interface Setting {
  doc: string;
  schema: z.ZodType;
  shownDefault: string;
  secret?: true;
}

const port = z.coerce.number().int().min(0).max(65_535);
const ports = z.string().regex(/^\d{4,5}-\d{4,5}$/, 'must be a range like 22000-22999');

function isSmtpUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url !== null && /^smtps?:$/.test(url.protocol) && url.hostname !== '';
}

/** Every environment variable that `borealis` reads; `docs/reference/config.md` is made from this table. */
export const SETTINGS = {
  BOREALIS_HOME: {
    doc: 'The one directory where all state lives.',
    schema: z.string().min(1).default('.borealis'),
    shownDefault: '`.borealis` in the project',
  },
  BOREALIS_POOL_KEY_FILE: {
    doc: "The file of mode 0600 that holds the key of the home's pool, when it is not the one that `borealis pool init` was told.",
    schema: z.string().min(1).optional(),
    shownDefault: 'as `borealis pool init` was told',
  },
  BOREALIS_POOL_KEY_COMMAND: {
    doc: "The shell command whose standard output is the key of the home's pool, when it is not the one that `borealis pool init` was told.",
    schema: z.string().min(1).optional(),
    shownDefault: 'as `borealis pool init` was told',
  },
  BOREALIS_CACHE: {
    doc: 'Where fetched PostgreSQL releases are kept, shared by every home of this machine.',
    schema: z.string().min(1).optional(),
    shownDefault: '`/var/cache/borealis` as root, else `~/.cache/borealis`',
  },
  BOREALIS_PLATFORM_PORT: {
    doc: 'TCP port of the local platform on 127.0.0.1; 0 takes any free one.',
    schema: port.default(5080),
    shownDefault: '5080',
  },
  BOREALIS_API_PORT: {
    doc: 'TCP port of the service (Partner API, add-on API) on 127.0.0.1; 0 takes any free one.',
    schema: port.default(5081),
    shownDefault: '5081',
  },
  BOREALIS_TUNNEL_HOST: {
    doc: 'The host name in database URLs. It must resolve to the loopback address where the clients run.',
    schema: z.string().min(1).default(TUNNEL_HOST),
    shownDefault: `\`${TUNNEL_HOST}\``,
  },
  BOREALIS_GATEWAY_PUBLIC_HOST: {
    doc: 'The name or address under which gateways are reached from outside; what the API and config vars then say.',
    schema: z.string().min(1).optional(),
    shownDefault: 'none: gateways answer on loopback only',
  },
  BOREALIS_GATEWAY_BIND: {
    doc: 'The address that gateways listen on when they have a public host.',
    schema: z.string().min(1).default('0.0.0.0'),
    shownDefault: '`0.0.0.0`',
  },
  BOREALIS_GATEWAY_PORTS: {
    doc: 'The range of ports that public gateways take one each from, for life.',
    schema: ports.default('22000-22999'),
    shownDefault: '`22000-22999`',
  },
  BOREALIS_ROTATION_DAYS: {
    doc: 'How often the passwords and the key of each app are renewed, in days.',
    schema: z.coerce.number().positive().default(7),
    shownDefault: '7',
  },
  BOREALIS_ROTATION_OVERLAP_HOURS: {
    doc: 'How long the former ones work at least, and at most while somebody still uses them, in hours: two numbers.',
    schema: z
      .string()
      .regex(/^\d+(\.\d+)?-\d+(\.\d+)?$/, 'must be two numbers of hours like 25-72')
      .default('25-72'),
    shownDefault: '`25-72`',
  },
  BOREALIS_BACKUP_HOURS: {
    doc: 'The hours of the night, in UTC, over which nightly backups are spread: from when to when, as 22-4.',
    schema: z
      .string()
      .regex(/^([01]?\d|2[0-3])-([01]?\d|2[0-4])$/, 'must be two hours of the day like 1-5 or 22-4')
      .default('1-5'),
    shownDefault: '`1-5`',
  },
  BOREALIS_POSTGRES_BUILD: {
    doc: "Whose PostgreSQL new databases run by, for life: `npm`, the packages that Borealis names by hash, or `system`, a copy of what Debian's packages have in `/usr/lib/postgresql`; majors that are not there come from npm.",
    schema: z.enum(POSTGRES_BUILDS, 'must be npm or system').default('npm'),
    shownDefault: '`npm`',
  },
  BOREALIS_MINOR_UPGRADES: {
    doc: 'Whether new minor releases of PostgreSQL are put in place by themselves, each tried on a copy of the data first (that of the control database when the service starts, without a trial): `auto`, or `off` for only by `borealis upgrade-minor`.',
    schema: z.enum(['auto', 'off'], 'must be auto or off').default('auto'),
    shownDefault: '`auto`',
  },
  BOREALIS_MAINTENANCE_HOURS: {
    doc: 'The hours of the night, in UTC, over which that is spread where an add-on has no `borealis maintenance-window`: from when to when, as 22-4.',
    schema: z
      .string()
      .regex(/^([01]?\d|2[0-3])-([01]?\d|2[0-4])$/, 'must be two hours of the day like 1-5 or 22-4')
      .default('1-5'),
    shownDefault: '`1-5`',
  },
  BOREALIS_UPGRADE_REVERT_HOURS: {
    doc: 'For how many hours after a major upgrade `borealis upgrade-revert` leads back: so long the former server is kept and fed, at most 168. 0: not at all.',
    schema: z.coerce
      .number('must be a number of hours from 0 to 168')
      .min(0, 'must be a number of hours from 0 to 168')
      .max(168, 'must be a number of hours from 0 to 168')
      .default(24),
    shownDefault: '`24`',
  },
  BOREALIS_MASTER_KEY: {
    doc: 'The key that encrypts every stored secret: 32 bytes in base64. Without it a 0600 file in the home is made and used.',
    schema: z
      .string()
      .refine((text) => Buffer.from(text, 'base64').length === 32, 'must be 32 bytes in base64')
      .optional(),
    shownDefault: '`master.key` in the home',
    secret: true,
  },
  BOREALIS_STORE: {
    doc: 'Where backups are kept that must survive this machine, sealed: the path of a directory that is there, such as a mounted disk of another machine, or `s3://bucket/prefix` in a bucket that is there. Service, region and credentials of the bucket are what the AWS SDK finds: `AWS_ENDPOINT_URL_S3` (for another service than Amazon’s), `AWS_REGION`, `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or its own files.',
    schema: z.string().min(1).optional(),
    shownDefault: 'none: no backup leaves the machine',
  },
  BOREALIS_SMTP_URL: {
    doc: 'Where e-mails go out: `smtp://` or `smtps://`, a host, and user and password where the server wants them.',
    schema: z
      .string()
      .refine(isSmtpUrl, 'must be smtp:// or smtps:// with a host, as smtps://user:password@mail.example.com')
      .optional(),
    shownDefault: "the local platform's own, which keeps them for `borealis mail`",
    secret: true,
  },
  BOREALIS_MAIL_FROM: {
    doc: 'The sender of e-mails: an address, or a name and an address in angle brackets.',
    schema: z
      .string()
      .regex(/^([^<>\r\n]*<)?[^\s<>@]+@[^\s<>@]+>?$/, 'must be an address, or a name and an address in angle brackets')
      .default('Borealis Isolated Postgres <borealis@localhost>'),
    shownDefault: '`Borealis Isolated Postgres <borealis@localhost>`',
  },
  BOREALIS_MAIL_PORT: {
    doc: "TCP port of the local platform's SMTP server on 127.0.0.1; 0 takes any free one.",
    schema: port.default(0),
    shownDefault: '0',
  },
  BOREALIS_OWNER_EMAIL: {
    doc: 'E-mail address of the first user of the local platform.',
    schema: z.email().default('dev@example.com'),
    shownDefault: '`dev@example.com`',
  },
} as const satisfies Record<string, Setting>;

export interface Config {
  home: string;
  /** Null: from where the pool's own record says. */
  poolKey: KeySource | null;
  platformPort: number;
  apiPort: number;
  tunnelHost: string;
  gatewayPublicHost: string | null;
  gatewayBind: string;
  gatewayPorts: { first: number; last: number };
  masterKey: string | null;
  /** As `openStore` takes it; null: nothing leaves the machine. */
  store: string | null;
  /** Null: the local platform's. */
  smtpUrl: string | null;
  mailFrom: string;
  mailPort: number;
  ownerEmail: string;
  /** In seconds: how often, and how long the former credentials work at least and at most. */
  rotation: { every: number; overlap: number; longest: number };
  /** The hour of the day, in UTC, from when on nightly backups are made, and over how many hours. */
  backupNight: { begin: number; hours: number };
  /** The same for new minor releases of PostgreSQL; not `automatic`: nothing is put in place by itself. */
  maintenance: { automatic: boolean; night: { begin: number; hours: number } };
  /** Of new clusters. */
  postgresBuild: PostgresBuild;
  /** In seconds: how long there is a way back after a major upgrade. */
  upgradeRevert: number;
}

/** A setting that cannot be used; the message names it and what is allowed. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

function read<K extends keyof typeof SETTINGS>(
  name: K,
  env: NodeJS.ProcessEnv,
): z.infer<(typeof SETTINGS)[K]['schema']> {
  const raw = env[name];
  const result = SETTINGS[name].schema.safeParse(raw === '' ? undefined : raw);
  if (result.success) return result.data as z.infer<(typeof SETTINGS)[K]['schema']>;
  throw new ConfigError(`${name} cannot be used: ${result.error.issues[0]?.message ?? 'bad value'}.`);
}

/** Reads every setting, with defaults; throws a `ConfigError` on the first that cannot be used. */
export function readConfig(env: NodeJS.ProcessEnv, projectDirectory: string): Config {
  const [first = 0, last = 0] = read('BOREALIS_GATEWAY_PORTS', env).split('-').map(Number);
  if (first > last || last > 65_535)
    throw new ConfigError('BOREALIS_GATEWAY_PORTS cannot be used: must be a range like 22000-22999.');
  return {
    home: resolve(projectDirectory, read('BOREALIS_HOME', env)),
    poolKey: readPoolKey(env, projectDirectory),
    platformPort: read('BOREALIS_PLATFORM_PORT', env),
    apiPort: read('BOREALIS_API_PORT', env),
    tunnelHost: read('BOREALIS_TUNNEL_HOST', env),
    gatewayPublicHost: read('BOREALIS_GATEWAY_PUBLIC_HOST', env) ?? null,
    gatewayBind: read('BOREALIS_GATEWAY_BIND', env),
    gatewayPorts: { first, last },
    masterKey: read('BOREALIS_MASTER_KEY', env) ?? null,
    store: readStore(env, projectDirectory),
    smtpUrl: read('BOREALIS_SMTP_URL', env) ?? null,
    mailFrom: read('BOREALIS_MAIL_FROM', env),
    mailPort: read('BOREALIS_MAIL_PORT', env),
    ownerEmail: read('BOREALIS_OWNER_EMAIL', env),
    rotation: readRotation(env),
    backupNight: readNight(read('BOREALIS_BACKUP_HOURS', env)),
    postgresBuild: read('BOREALIS_POSTGRES_BUILD', env),
    maintenance: {
      automatic: read('BOREALIS_MINOR_UPGRADES', env) === 'auto',
      night: readNight(read('BOREALIS_MAINTENANCE_HOURS', env)),
    },
    upgradeRevert: read('BOREALIS_UPGRADE_REVERT_HOURS', env) * 3600,
  };
}

function readPoolKey(env: NodeJS.ProcessEnv, projectDirectory: string): KeySource | null {
  const file = read('BOREALIS_POOL_KEY_FILE', env);
  const command = read('BOREALIS_POOL_KEY_COMMAND', env);
  if (file && command)
    throw new ConfigError('BOREALIS_POOL_KEY_FILE and BOREALIS_POOL_KEY_COMMAND cannot be used together: set one.');
  if (command) return { command };
  return file ? { file: resolve(projectDirectory, file) } : null;
}

function readStore(env: NodeJS.ProcessEnv, projectDirectory: string): string | null {
  const store = read('BOREALIS_STORE', env);
  if (store === undefined) return null;
  // What looks like an address is for `openStore` to judge.
  return /^[a-z][a-z0-9+.-]*:/i.test(store) ? store : resolve(projectDirectory, store);
}

function readRotation(env: NodeJS.ProcessEnv): Config['rotation'] {
  const [overlap = 0, longest = 0] = read('BOREALIS_ROTATION_OVERLAP_HOURS', env).split('-').map(Number);
  if (overlap > longest)
    throw new ConfigError('BOREALIS_ROTATION_OVERLAP_HOURS cannot be used: must be two numbers of hours like 25-72.');
  const every = read('BOREALIS_ROTATION_DAYS', env) * 24 * 3600;
  return { every, overlap: overlap * 3600, longest: longest * 3600 };
}

function readNight(hours: string): Config['backupNight'] {
  const [begin = 0, end = 0] = hours.split('-').map(Number);
  return { begin, hours: (end - begin + 24) % 24 || 24 };
}

/** The reference page: one row a variable. */
export function configReference(): string {
  const rows = Object.entries(SETTINGS).map(
    ([name, setting]) => `| \`${name}\` | ${setting.doc} | ${setting.shownDefault} |`,
  );
  return [
    '# Configuration',
    '',
    'Environment variables that `npm start` and `borealis` read. This page is made from `packages/borealis/src/config.ts`.',
    '',
    '| variable | meaning | default |',
    '| --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}
