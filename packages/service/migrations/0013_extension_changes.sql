create table extension_change (
  id uuid primary key default gen_random_uuid(),
  addon_id uuid not null references addon on delete cascade,
  change text not null check (change in ('install', 'remove')),
  extension text not null,
  user_email text not null,
  begun_at timestamptz not null default now()
);
create index extension_change_addon on extension_change (addon_id);
comment on table extension_change is 'What the engine was asked to do with an extension and has not been written down as an event yet.';
