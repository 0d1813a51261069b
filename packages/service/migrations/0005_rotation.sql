alter table addon drop constraint addon_status_check;
alter table addon add constraint addon_status_check check (status in (
  'requested', 'awaiting', 'provisioning', 'configuring', 'available', 'maintenance',
  'maintenance-db-credentials-full-reset', 'maintenance-postgresql-major-version-upgrade', 'maintenance-plan-change',
  'maintenance-restore-db-write-access', 'maintenance-revoke-db-write-access'));

alter table app_role
  add column next_verifier text,
  add column next_password bytea,
  add column former_verifier text;
comment on column app_role.next_password is 'Encrypted. Live, and on its way into the config vars.';
comment on column app_role.former_verifier is 'Of the password before, for dynos that started with it.';

alter table app_ssh_key
  add column next_public_key text,
  add column next_private_key bytea,
  add column former_public_key text;

create table rotation (
  addon_id uuid primary key references addon on delete cascade,
  kind text not null default 'rotation' check (kind in ('rotation', 'reset')),
  state text not null default 'waiting' check (state in ('waiting', 'requested', 'announcing', 'overlap', 'ending')),
  due_at timestamptz not null,
  announced_at timestamptz
);
comment on table rotation is 'Where each add-on stands in the renewal of its app''s passwords and key.';
comment on column rotation.state is 'waiting until due; requested; announcing: old and next are live and the platform is being told; overlap: next became current, the former ones still work; ending: the former ones are refused and their sessions end.';
comment on column rotation.due_at is 'When the next renewal starts, or the next try to announce it.';
comment on column rotation.announced_at is 'When the platform confirmed the config vars: the overlap counts from here.';

-- Spread over the week, so that a fleet never renews at once.
insert into rotation (addon_id, due_at)
select id, now() + random() * interval '7 days' from addon where available_at is not null;
