alter table origin add column dump text;
comment on column origin.dump is 'Which dump of the backup the database is made of, as soon as it is there; null: the whole cluster begins as a copy.';
