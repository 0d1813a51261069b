create table backup (
  addon_id uuid not null references addon on delete cascade,
  name text not null,
  reason text not null check (reason in ('night', 'request')),
  state text not null default 'wanted' check (state in ('wanted', 'made', 'proven', 'failed')),
  receipt jsonb,
  due_at timestamptz default now(),
  tries integer not null default 0,
  error text,
  created_at timestamptz not null default now(),
  primary key (addon_id, name)
);
create index backup_due on backup (due_at);
comment on table backup is 'Backups of add-ons, with the receipt that the engine gave and what is to be done with each next: it is made, then proven again and again.';
