create table addon (
  id uuid primary key,
  name text not null,
  plan text not null,
  postgres_major text not null,
  region text not null,
  status text not null default 'requested' check (status in (
    'requested', 'awaiting', 'provisioning', 'configuring', 'available')),
  cluster_id text not null unique,
  database_name text not null,
  access_revision integer not null default 0,
  applied_revision integer not null default 0,
  storage_usage_bytes bigint not null default 0,
  log_input_url bytea,
  created_at timestamptz not null default now(),
  available_at timestamptz,
  destroy_requested_at timestamptz
);
comment on table addon is 'One row per add-on, written with its strand when the platform asks for it and deleted when its cluster is gone.';
comment on column addon.name is 'The last name that the platform told us. Not unique: names are given away again after a rename.';
comment on column addon.cluster_id is 'Chosen before anything is made, so that whatever a crash left behind is found again.';
comment on column addon.access_revision is 'Grows in the transaction of every change to who may log in; the access document carries it.';
comment on column addon.applied_revision is 'The newest access document that the engine is known to run by.';
comment on column addon.storage_usage_bytes is 'As last measured.';
comment on column addon.log_input_url is 'Encrypted.';

create table local_port (
  port integer primary key check (port between 20000 and 32767),
  addon_id uuid not null references addon on delete cascade,
  access text not null check (access in ('ro', 'rw')),
  unique (addon_id, access)
);
comment on table local_port is 'The ports in the URLs of the config vars, unique over the service so that one app can hold several add-ons.';

create table app_role (
  addon_id uuid not null references addon on delete cascade,
  access text not null check (access in ('ro', 'rw')),
  name text not null unique,
  verifier text not null,
  password bytea not null,
  created_at timestamptz not null default now(),
  primary key (addon_id, access)
);
comment on table app_role is 'The database roles of the app. Passwords are encrypted: config vars are written from them again and again.';

create table app_ssh_key (
  addon_id uuid primary key references addon on delete cascade,
  username text not null unique,
  public_key text not null,
  private_key bytea not null,
  created_at timestamptz not null default now()
);
comment on table app_ssh_key is 'The key that opens the tunnel of the app. The private half is encrypted.';

create table oauth_token (
  addon_id uuid primary key references addon on delete cascade,
  state text not null check (state in ('granted', 'live', 'dead')),
  grant_code bytea,
  access_token bytea,
  refresh_token bytea,
  expires_at timestamptz,
  dead_since timestamptz
);
comment on table oauth_token is 'What the platform gave us to act on one add-on: a code to exchange, then tokens. All three are encrypted.';

create table master_key_check (
  only_row boolean primary key default true check (only_row),
  sealed bytea not null
);
comment on table master_key_check is 'A known text under the master key, so that a wrong key is told at start and not at the first secret.';
