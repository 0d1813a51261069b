create table storage (
  addon_id uuid primary key references addon on delete cascade,
  usage_bytes bigint not null default 0,
  before_bytes bigint not null default 0,
  before_at timestamptz not null default now(),
  look_at timestamptz not null default now(),
  status text not null default 'ok' check (status in ('ok', 'proximity-warning', 'violating', 'restricted')),
  reason text check (reason in ('deadline', 'excess', 'disk')),
  deadline timestamptz,
  window_opened_at timestamptz,
  window_until timestamptz,
  change text check (change in ('revoke', 'restore')),
  change_reason text,
  change_revision integer not null default 0
);
comment on table storage is 'What each add-on takes of its storage, and what follows from that.';
comment on column storage.usage_bytes is 'As last measured.';
comment on column storage.before_bytes is 'As measured at before_at, some minutes ago: the difference tells who fills the disk.';
comment on column storage.look_at is 'When to measure next.';
comment on column storage.status is 'restricted: its database can only be read, but for the time of a clean-up window.';
comment on column storage.reason is 'Why it is restricted: over its limit past the deadline, far over it, or the disk was about to be full.';
comment on column storage.deadline is 'While violating: when it is restricted.';
comment on column storage.window_until is 'The end of the clean-up window that is open; null once that end was seen to.';
comment on column storage.change is 'What the engine was asked for in change_revision of the access document and has not been seen to have done.';

insert into storage (addon_id, usage_bytes) select id, storage_usage_bytes from addon;

alter table addon
  drop column storage_usage_bytes,
  add column write_revoked boolean not null default false;
comment on column addon.write_revoked is 'True: the access document says that its database can only be read.';
