alter table cluster
  add column document_revision integer not null default 0,
  add column document_digest bytea;
comment on column cluster.document_revision is 'The revision under which the access document was written last.';
comment on column cluster.document_digest is 'SHA-256 of what it said then; one with another content gets a revision of its own.';

-- What earlier versions wrote is not known: whatever is written next gets a new revision.
update cluster set document_revision = access_revision;
