create table restore_token (
  digest text primary key,
  addon_id uuid not null references addon on delete cascade,
  asked_by text not null,
  valid_until timestamptz not null,
  used_by uuid
);
comment on table restore_token is 'What a new add-on becomes a copy of addon_id with. Only the SHA-256 of each token is here.';
comment on column restore_token.asked_by is 'The e-mail address of the person who asked for it.';
comment on column restore_token.used_by is 'The add-on that was made with it: the only one that may be.';

create table origin (
  addon_id uuid primary key references addon on delete cascade,
  source_id uuid not null,
  source_name text not null,
  source_cluster_id text not null,
  source_database text not null,
  source_rw_role text not null,
  source_ro_role text not null,
  moment text,
  role_suffix text not null
);
comment on table origin is 'Add-ons that began as a copy of another, which may be gone since.';
comment on column origin.source_name is 'Its name when the copy was asked for; once it is gone, the last one that it had.';
comment on column origin.moment is 'ISO 8601 in UTC, to the microsecond; null: the present.';
comment on column origin.role_suffix is 'How the names of the copy''s own roles end: what the roles of the source become.';
create index origin_of_source on origin (source_id);
