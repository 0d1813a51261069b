create table maintenance_window (
  addon_id uuid primary key references addon on delete cascade,
  day smallint check (day between 0 and 6),
  hour smallint not null check (hour between 0 and 23)
);
comment on table maintenance_window is 'When the operator wants new minor releases to be put in place under an add-on; add-ons without a row have an hour of the night.';
comment on column maintenance_window.day is 'Of the week in UTC, 0 is Sunday; null: any day.';
comment on column maintenance_window.hour is 'In UTC, when the window opens.';

create table minor_rollout (
  cluster_id text primary key references cluster on delete cascade,
  version text not null,
  state text not null check (state in ('planned', 'running', 'done', 'failed', 'held')),
  request uuid not null default gen_random_uuid(),
  due_at timestamptz not null default now(),
  tries integer not null default 0,
  error text,
  noticed_at timestamptz not null default now()
);
create index minor_rollout_due on minor_rollout (due_at) where state = 'planned';
create unique index minor_rollout_running on minor_rollout (state) where state = 'running';
comment on table minor_rollout is 'For each cluster the newest minor release that was noticed for it, and what came of putting it in place by itself.';
comment on column minor_rollout.state is 'planned; running: the engine was or is about to be asked, of one cluster at a time; done; failed: the operator has to look; held: the operator has put another release in place.';
comment on column minor_rollout.request is 'What the engine knows the present attempt by, so that it is asked for the same one after a crash.';
comment on column minor_rollout.due_at is 'Of a planned one: not before.';
