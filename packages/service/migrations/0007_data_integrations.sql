create table data_integration (
  id uuid primary key default gen_random_uuid(),
  addon_id uuid not null references addon on delete cascade,
  name text not null,
  access text not null check (access in ('ro', 'rw')),
  role text not null,
  username text not null unique,
  public_key text not null,
  verifier text not null,
  created_at timestamptz not null default now(),
  registered_at timestamptz,
  leaving boolean not null default false,
  unique (addon_id, name)
);
comment on table data_integration is 'A service outside that reads or writes a database through a tunnel of its own. Its password is told once and not kept.';
comment on column data_integration.role is 'Its role in PostgreSQL, unique in its cluster.';
comment on column data_integration.username is 'Its user at the gateway.';
comment on column data_integration.registered_at is 'Null: the gateway was not yet seen to accept it and nobody was told the password, so the name may be registered anew.';
comment on column data_integration.leaving is 'True: nobody gets in by it any more, and the row goes when its sessions have been closed.';
