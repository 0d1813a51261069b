/** What the store keeps. Records are immutable: a change puts a new one. Times are milliseconds since 1970. */

export interface User {
  id: string;
  email: string;
  createdAt: number;
}

/** A user's token. Only its hash is kept. */
export interface Authorization {
  id: string;
  userId: string;
  tokenHash: string;
  description: string;
  scope: string[];
  expiresAt: number | null;
  createdAt: number;
}

export interface Collaborator {
  id: string;
  userId: string;
  createdAt: number;
}

export type TeamRole = 'admin' | 'member';

export interface TeamMember {
  userId: string;
  role: TeamRole;
  createdAt: number;
}

/** People who share apps. It has one admin at least. */
export interface Team {
  id: string;
  name: string;
  members: TeamMember[];
  createdAt: number;
}

export interface App {
  id: string;
  name: string;
  ownerId: string;
  /** Whose app it is besides the owner's, who made it. */
  teamId?: string;
  region: string;
  stack: string;
  maintenance: boolean;
  /** The user's own config vars; those of add-ons are derived from attachments. */
  config: Record<string, string>;
  buildpacks: string[];
  collaborators: Collaborator[];
  /** The newest release's version. */
  version: number;
  createdAt: number;
  updatedAt: number;
}

export interface Release {
  id: string;
  appId: string;
  version: number;
  description: string;
  user: { id: string; email: string };
  config: Record<string, string>;
  addonPlans: string[];
  createdAt: number;
}

/** A message to the add-on's maker that is not yet answered for good. */
export type Pending =
  | { kind: 'provision'; tries: number }
  | { kind: 'plan'; plan: string; tries: number }
  | { kind: 'deprovision'; tries: number };

export interface Addon {
  id: string;
  name: string;
  appId: string;
  /** Kept beside the id because an app may be gone before its add-ons are. */
  appName: string;
  plan: string;
  state: 'provisioning' | 'provisioned' | 'deprovisioning';
  pending: Pending | null;
  /** In the maker's own names, as in its manifest. */
  config: Record<string, string>;
  options: Record<string, string>;
  providerId: string | null;
  message: string | null;
  createdAt: number;
  updatedAt: number;
}

export interface Attachment {
  id: string;
  name: string;
  addonId: string;
  appId: string;
  /** The attachment of the same name that goes when this one's add-on is provisioned. */
  replaces: string | null;
  createdAt: number;
  updatedAt: number;
}

/** A single-use code (by its hash) that an add-on's maker exchanges for tokens. */
export interface Grant {
  id: string;
  addonId: string;
  expiresAt: number;
}

/** A token (by its hash) scoped to one add-on. */
export interface AddonToken {
  id: string;
  addonId: string;
  use: 'access' | 'refresh';
  expiresAt: number | null;
}

/** An e-mail that was sent to somebody through the platform's SMTP server. */
export interface Mail {
  id: string;
  messageId: string;
  from: string;
  to: string[];
  subject: string;
  text: string;
  receivedAt: number;
}

export interface Tables {
  users: User;
  authorizations: Authorization;
  teams: Team;
  apps: App;
  releases: Release;
  addons: Addon;
  attachments: Attachment;
  grants: Grant;
  addonTokens: AddonToken;
  mails: Mail;
}
export type TableName = keyof Tables;

export const TABLE_NAMES: readonly TableName[] = [
  'users',
  'authorizations',
  'teams',
  'apps',
  'releases',
  'addons',
  'attachments',
  'grants',
  'addonTokens',
  'mails',
];
