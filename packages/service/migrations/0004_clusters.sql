create table cluster (
  id text primary key,
  tenancy text not null check (tenancy in ('isolated', 'shared')),
  postgres_major text not null,
  access_revision integer not null default 0,
  applied_revision integer not null default 0,
  created_at timestamptz not null default now()
);
comment on table cluster is 'One row per cluster asked of the engine: one for each isolated add-on, and one for each major that tenants share.';
comment on column cluster.id is 'Chosen before anything is made, so that whatever a crash left behind is found again.';
comment on column cluster.access_revision is 'Grows in the transaction of every change to who may log in; the access document carries it.';
comment on column cluster.applied_revision is 'The newest access document that the engine is known to run by.';
create unique index cluster_shared on cluster (postgres_major) where tenancy = 'shared';

insert into cluster (id, tenancy, postgres_major, access_revision, applied_revision, created_at)
select cluster_id, 'isolated', postgres_major, access_revision, applied_revision, created_at from addon;

alter table addon
  drop constraint addon_cluster_id_key,
  drop column access_revision,
  drop column applied_revision,
  add foreign key (cluster_id) references cluster,
  add column evicted boolean not null default false;
comment on column addon.cluster_id is 'Its own cluster, or the one that it shares.';
comment on column addon.evicted is 'True: it is leaving its shared cluster, whose access document does not list it any more.';
create index addon_of_cluster on addon (cluster_id);
