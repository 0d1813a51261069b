create table plan_change (
  addon_id uuid primary key references addon on delete cascade,
  plan text not null,
  state text not null default 'wanted' check (state in ('wanted', 'changing', 'announcing')),
  asked_at timestamptz not null default now(),
  due_at timestamptz not null default now()
);
comment on table plan_change is 'Add-ons that are on their way to another plan; addon.plan is the one that they have until then.';
comment on column plan_change.plan is 'The last one that was asked for.';
comment on column plan_change.state is 'wanted; changing: the engine was asked for it; announcing: the add-on has it, and the platform is to be told the config vars.';
comment on column plan_change.due_at is 'When to look, or to try, again.';
