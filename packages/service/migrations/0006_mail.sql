create table mail (
  id uuid primary key default gen_random_uuid(),
  addon_id uuid not null references addon on delete cascade,
  subject text not null,
  body text not null,
  written_at timestamptz not null default now(),
  tries integer not null default 0,
  not_before timestamptz not null default now(),
  sent_at timestamptz
);
comment on table mail is 'The outbox of e-mails to the owners of add-ons. A row is written with its cause and kept for a while after it was sent.';
comment on column mail.id is 'Makes the Message-ID, so that a mail that comes twice is recognised.';
comment on column mail.not_before is 'When to try next; ahead also while somebody is trying.';
create index mail_pending on mail (not_before) where sent_at is null;
