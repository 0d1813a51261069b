import type { AddonStatus, MajorUpgrade } from '@borealis/contract';
import type { DatabaseBackup } from '@borealis/engine';
import type { Generated, JSONColumnType } from 'kysely';

/** The tables of the migrations as TypeScript sees them; a test compares both. */
export interface Database {
  addon: AddonTable;
  cluster: ClusterTable;
  local_port: LocalPortTable;
  app_role: AppRoleTable;
  app_ssh_key: AppSshKeyTable;
  rotation: RotationTable;
  oauth_token: OauthTokenTable;
  master_key_check: MasterKeyCheckTable;
  personal_user: PersonalUserTable;
  personal_credential: PersonalCredentialTable;
  open_tunnel: OpenTunnelTable;
  data_integration: DataIntegrationTable;
  extension_change: ExtensionChangeTable;
  event: EventTable;
  log_delivery: LogDeliveryTable;
  engine_cursor: EngineCursorTable;
  mail: MailTable;
  storage: StorageTable;
  restore_token: RestoreTokenTable;
  origin: OriginTable;
  backup: BackupTable;
  plan_change: PlanChangeTable;
  major_upgrade: MajorUpgradeTable;
  maintenance_window: MaintenanceWindowTable;
  minor_rollout: MinorRolloutTable;
}

export type Access = 'ro' | 'rw';
export type CredentialKind = Access | 'ssh';
export type StorageStatus = 'ok' | 'proximity-warning' | 'violating' | 'restricted';
export type StorageReason = 'deadline' | 'excess' | 'disk';
export type Delivery = 'none' | 'pending' | 'delivered' | 'dropped';

export interface AddonTable {
  id: string;
  name: string;
  plan: string;
  postgres_major: string;
  region: string;
  status: Generated<AddonStatus>;
  cluster_id: string;
  database_name: string;
  log_input_url: Buffer | null;
  created_at: Generated<Date>;
  available_at: Date | null;
  destroy_requested_at: Date | null;
  evicted: Generated<boolean>;
  write_revoked: Generated<boolean>;
}

export interface ClusterTable {
  id: string;
  tenancy: 'isolated' | 'shared';
  postgres_major: string;
  access_revision: Generated<number>;
  applied_revision: Generated<number>;
  document_revision: Generated<number>;
  document_digest: Buffer | null;
  closed: Generated<boolean>;
  created_at: Generated<Date>;
}

interface LocalPortTable {
  port: number;
  addon_id: string;
  access: Access;
}

interface AppRoleTable {
  addon_id: string;
  access: Access;
  name: string;
  verifier: string;
  password: Buffer;
  next_verifier: string | null;
  next_password: Buffer | null;
  former_verifier: string | null;
  created_at: Generated<Date>;
}

interface AppSshKeyTable {
  addon_id: string;
  username: string;
  public_key: string;
  private_key: Buffer;
  next_public_key: string | null;
  next_private_key: Buffer | null;
  former_public_key: string | null;
  created_at: Generated<Date>;
}

export interface RotationTable {
  addon_id: string;
  kind: Generated<'rotation' | 'reset'>;
  state: Generated<'waiting' | 'requested' | 'announcing' | 'overlap' | 'ending'>;
  due_at: Date;
  announced_at: Date | null;
}

interface OauthTokenTable {
  addon_id: string;
  state: 'granted' | 'live' | 'dead';
  grant_code: Buffer | null;
  access_token: Buffer | null;
  refresh_token: Buffer | null;
  expires_at: Date | null;
  dead_since: Date | null;
}

interface MasterKeyCheckTable {
  only_row: Generated<boolean>;
  sealed: Buffer;
}

interface PersonalUserTable {
  id: Generated<string>;
  addon_id: string;
  platform_user_id: string;
  email: string;
  suffix: string;
  created_at: Generated<Date>;
}

interface PersonalCredentialTable {
  personal_user_id: string;
  kind: CredentialKind;
  proof: string | null;
  valid_until: Date;
  hard_limit: Date;
}

interface OpenTunnelTable {
  cluster_id: string;
  tunnel_id: string;
  username: string;
  opened_at: Date;
}

export interface DataIntegrationTable {
  id: Generated<string>;
  addon_id: string;
  name: string;
  access: Access;
  role: string;
  username: string;
  public_key: string;
  verifier: string;
  created_at: Generated<Date>;
  registered_at: Date | null;
  leaving: Generated<boolean>;
}

export interface ExtensionChangeTable {
  id: Generated<string>;
  addon_id: string;
  change: 'install' | 'remove';
  extension: string;
  user_email: string;
  begun_at: Generated<Date>;
}

interface EventTable {
  id: Generated<string>;
  xid: Generated<string>;
  addon_id: string | null;
  addon_name: string | null;
  at: Generated<Date>;
  type: string;
  attributes: JSONColumnType<Record<string, string | number | boolean>>;
  dedup_key: string | null;
  delivery: Generated<Delivery>;
}

interface LogDeliveryTable {
  addon_id: string;
  tries: number;
  not_before: Date;
}

interface EngineCursorTable {
  only_row: Generated<boolean>;
  cursor: string;
}

interface MailTable {
  id: Generated<string>;
  addon_id: string;
  subject: string;
  body: string;
  written_at: Generated<Date>;
  tries: Generated<number>;
  not_before: Generated<Date>;
  sent_at: Date | null;
}

export interface StorageTable {
  addon_id: string;
  usage_bytes: Generated<string>;
  before_bytes: Generated<string>;
  before_at: Generated<Date>;
  look_at: Generated<Date>;
  status: Generated<StorageStatus>;
  reason: StorageReason | null;
  deadline: Date | null;
  window_opened_at: Date | null;
  window_until: Date | null;
  change: 'revoke' | 'restore' | null;
  change_reason: string | null;
  change_revision: Generated<number>;
}

interface RestoreTokenTable {
  digest: string;
  addon_id: string | null;
  backup: string | null;
  asked_by: string;
  valid_until: Date;
  used_by: string | null;
}

export interface OriginTable {
  addon_id: string;
  source_id: string | null;
  source_name: string;
  source_cluster_id: string;
  source_database: string;
  source_rw_role: string;
  source_ro_role: string;
  moment: string | null;
  role_suffix: string;
  from_store: Generated<boolean>;
  dump: string | null;
}

export interface PlanChangeTable {
  addon_id: string;
  plan: string;
  state: Generated<'wanted' | 'changing' | 'making' | 'copying' | 'announcing' | 'leaving'>;
  asked_at: Generated<Date>;
  due_at: Generated<Date>;
  other_cluster_id: string | null;
  next_plan: string | null;
}

export interface MajorUpgradeTable {
  cluster_id: string;
  request: string;
  way: 'up' | 'back';
  from_major: string;
  to_major: string;
  patience_seconds: number;
  state: 'announced' | 'running' | 'cancelling' | 'ended';
  answer: JSONColumnType<MajorUpgrade> | null;
  asked_at: Generated<Date>;
  due_at: Generated<Date>;
  ended_at: Date | null;
}

export interface BackupTable {
  addon_id: string;
  name: string;
  reason: 'night' | 'request';
  state: Generated<'wanted' | 'made' | 'proven' | 'failed'>;
  receipt: JSONColumnType<DatabaseBackup> | null;
  due_at: Generated<Date> | null;
  tries: Generated<number>;
  error: string | null;
  created_at: Generated<Date>;
}

interface MaintenanceWindowTable {
  addon_id: string;
  day: number | null;
  hour: number;
}

export interface MinorRolloutTable {
  cluster_id: string;
  version: string;
  state: 'planned' | 'running' | 'done' | 'failed' | 'held';
  request: Generated<string>;
  due_at: Generated<Date>;
  tries: Generated<number>;
  error: string | null;
  noticed_at: Generated<Date>;
}
