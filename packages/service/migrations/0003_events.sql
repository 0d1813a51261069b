create table event (
  id bigint generated always as identity primary key,
  xid xid8 not null default pg_current_xact_id(),
  addon_id uuid,
  addon_name text,
  at timestamptz not null default now(),
  type text not null,
  attributes json not null default '{}',
  dedup_key text unique,
  delivery text not null default 'none' check (delivery in ('none', 'pending', 'delivered', 'dropped'))
);
comment on table event is 'The audit trail, which outlives its add-on, and the outbox of lines for the log of the app.';
comment on column event.xid is 'The transaction that wrote it: readers stop before the oldest running one and so never skip a late commit.';
create index event_pending on event (addon_id, id) where delivery = 'pending';
create index event_reading on event (xid, id);
create index event_of_addon on event (addon_id, type);

create table log_delivery (
  addon_id uuid primary key references addon on delete cascade,
  tries integer not null,
  not_before timestamptz not null
);
comment on table log_delivery is 'Add-ons whose log could not be reached, with the time of the next try.';

create table engine_cursor (
  only_row boolean primary key default true check (only_row),
  cursor text not null
);
comment on table engine_cursor is 'How far the events of the engine have been taken over; moved in the transaction that writes them down.';
