create table personal_user (
  id uuid primary key default gen_random_uuid(),
  addon_id uuid not null references addon on delete cascade,
  platform_user_id text not null,
  email text not null,
  suffix text not null unique,
  created_at timestamptz not null default now(),
  unique (addon_id, platform_user_id)
);
comment on table personal_user is 'A person who came in through the CLI. Role and tunnel names end in the suffix and stay the same for life.';

create table personal_credential (
  personal_user_id uuid not null references personal_user on delete cascade,
  kind text not null check (kind in ('ssh', 'ro', 'rw')),
  proof text,
  valid_until timestamptz not null,
  hard_limit timestamptz not null,
  primary key (personal_user_id, kind)
);
comment on table personal_credential is 'What one session of a person may use: a public key or a SCRAM verifier, never a secret. Null proof: ended.';
comment on column personal_credential.valid_until is 'The hard limit, or ten minutes after the last tunnel closed when that is sooner.';

create table open_tunnel (
  cluster_id text not null,
  tunnel_id text not null,
  username text not null,
  opened_at timestamptz not null,
  primary key (cluster_id, tunnel_id)
);
comment on table open_tunnel is 'Tunnels of persons that are open as far as the gateways have told.';
create index on open_tunnel (cluster_id, username);
