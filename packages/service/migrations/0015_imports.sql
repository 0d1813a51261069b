alter table restore_token alter column addon_id drop not null;
alter table restore_token add column backup text;
alter table restore_token add check (num_nonnulls(addon_id, backup) = 1);
comment on column restore_token.backup is 'The backup in an object store that a new add-on is made from, in the place of another add-on.';

alter table origin alter column source_id drop not null;
alter table origin add column from_store boolean not null default false;
comment on column origin.from_store is 'True: source_cluster_id and source_name are the name of a backup in an object store.';
