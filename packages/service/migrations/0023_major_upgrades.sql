create table major_upgrade (
  cluster_id text primary key references cluster on delete cascade,
  request uuid not null,
  way text not null check (way in ('up', 'back')),
  from_major text not null,
  to_major text not null,
  patience_seconds integer not null,
  state text not null check (state in ('announced', 'running', 'cancelling', 'ended')),
  answer jsonb,
  asked_at timestamptz not null default now(),
  due_at timestamptz not null default now(),
  ended_at timestamptz
);
comment on table major_upgrade is 'The last major upgrade of each cluster that had one, or the way back from it; postgres_major of the cluster and its add-ons is the former until it has ended.';
comment on column major_upgrade.request is 'What the engine knows it by, and the id of its strand.';
comment on column major_upgrade.way is 'up: to a newer major; back: to the one from before the last upgrade.';
comment on column major_upgrade.patience_seconds is 'How long open transactions are waited for before the cut-over; what is still open then is closed.';
comment on column major_upgrade.state is 'announced: it begins at due_at; running: the engine is asked for it until it has an end; cancelling: the engine is asked to give it up; ended: answer says what came of it.';
comment on column major_upgrade.answer is 'The engine''s last one.';

alter table cluster add column closed boolean not null default false;
comment on column cluster.closed is 'True: a shared cluster that takes no more tenants, because of a major upgrade that is announced or under way, or because another one of its major takes them.';
drop index cluster_shared;
create unique index cluster_shared on cluster (postgres_major) where tenancy = 'shared' and not closed;
