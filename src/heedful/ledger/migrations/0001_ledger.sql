-- why:    the memory itself: history, the fold of it, texts that can be erased, and what is told.
-- before: nothing.
-- cost:   none, the tables are empty.
-- after:  nothing to do.
--
-- Types are PostgreSQL's; on SQLite bytea is read as blob and bigint as integer. A comment that
-- begins with an engine's name is code for that engine. Instants are microseconds since 1970;
-- keys are 16 bytes; text that is compared is compared byte by byte.

create table migration (
  number bigint primary key,
  name text not null,
  applied_at bigint not null
) /*sqlite strict*/;

-- One row. Whoever appends locks it first, so that seq has no gaps and recorded_at never goes back.
create table head (
  id bigint primary key check (id = 1),
  seq bigint not null,
  hash bytea not null,
  recorded_at bigint not null,
  epoch text not null,
  catalogue bigint not null,
  digests text
) /*sqlite strict*/ /*postgresql with (fillfactor = 10)*/;

-- What a key makes of a fixed word: opened with another key, the ledger would find nobody.
create table key_check (
  id text primary key,
  value bytea not null
) /*sqlite strict*/;

-- Append-only. `hash` is SHA-256 of the hash before and `body`, the canonical JSON; the other
-- columns are what is looked up by. `request` is a digest of (source, request id), `content` a
-- keyed one of what was said, `other` the address of a link.
create table event (
  seq bigint primary key,
  subject bytea not null,
  other bytea,
  recorded_at bigint not null,
  request bytea,
  content bytea not null,
  retracts bigint,
  hash bytea not null,
  body bytea not null
) /*sqlite strict*/;
create unique index event_request on event (request) where request is not null;
create index event_subject on event (subject, seq);
create index event_other on event (other, seq) where other is not null;
create unique index event_retracts on event (retracts) where retracts is not null;

-- The fold of the events: per subject, slot and exact scope the latest writing.
create table cell (
  subject bytea not null,
  slot text /*postgresql collate "C"*/ not null,
  scope text /*postgresql collate "C"*/ not null,
  at bigint not null,
  seq bigint not null,
  value text,
  primary key (subject, slot, scope)
) /*sqlite strict, without rowid*/;

-- Personal data, deleted at erasure: the text of a subject and the salt of its digests in the
-- events from `since` on. A subject written again after an erasure gets another salt.
create table address (
  subject bytea primary key,
  text text,
  salt bytea,
  since bigint not null
) /*sqlite strict, without rowid*/;

-- Personal data, deleted at erasure: canonical JSON of an event's evidence and its digest's salt.
create table evidence (
  seq bigint primary key,
  salt bytea not null,
  text text not null
) /*sqlite strict*/;

-- Erasures, and whether the texts are gone yet.
create table erasure (
  seq bigint primary key,
  subject bytea not null,
  purge_by bigint not null,
  purged_at bigint
) /*sqlite strict*/;
create index erasure_waiting on erasure (seq) where purged_at is null;

-- How a person was told that the opt-out was heard: `inline` by us, or by the `vendor`.
create table confirmation (
  seq bigint primary key,
  how text not null
) /*sqlite strict*/;

-- Messages that went out. Whom to is a key only.
create table send (
  subject bytea not null,
  at bigint not null,
  request bytea not null,
  channel text not null,
  topic text not null,
  category text not null,
  sender text,
  vendor text,
  campaign text,
  primary key (subject, at, request)
) /*sqlite strict, without rowid*/;

-- Every brand.toml that was applied, and since when each topic is known.
create table catalogue (
  number bigint primary key,
  applied_at bigint not null,
  applied_by text not null,
  reason text,
  digest text not null,
  text text not null
) /*sqlite strict*/;
create table topic (
  name text /*postgresql collate "C"*/ primary key,
  category text not null,
  number bigint not null,
  since bigint not null
) /*sqlite strict*/;

-- How far each vendor has been told, and who is telling it now.
create table vendor_cursor (
  vendor text /*postgresql collate "C"*/ primary key,
  touches text not null,
  stage text not null,
  as_of bigint not null,
  scan bytea,
  seq bigint not null,
  hash text not null,
  owner text,
  leased_until bigint,
  state text not null,
  why text
) /*sqlite strict*/;

-- What a vendor answered about an event; nothing is written before its first answer.
create table delivery (
  seq bigint not null,
  vendor text /*postgresql collate "C"*/ not null,
  subject bytea not null,
  state text not null,
  attempts bigint not null,
  next_at bigint,
  answered_at bigint not null,
  answer text not null,
  primary key (seq, vendor, subject)
) /*sqlite strict, without rowid*/;
create index delivery_later on delivery (vendor, seq) where state = 'later';
create index delivery_dead on delivery (vendor, seq) where state = 'dead';

create table checkpoint (
  epoch text not null,
  seq bigint not null,
  hash bytea not null,
  recorded_at bigint not null,
  made_at bigint not null,
  key text not null,
  signature bytea not null,
  primary key (epoch, seq, key)
) /*sqlite strict*/;

create table api_key (
  name text /*postgresql collate "C"*/ primary key,
  secret bytea not null unique,
  permissions text not null,
  vendor text,
  made_at bigint not null,
  revoked_at bigint
) /*sqlite strict*/;

-- Bytes that came in and could not be understood: flagged, not lost.
create table kept (
  id bigint primary key /*postgresql generated always as identity*/,
  source text not null,
  why text not null,
  at bigint not null,
  body bytea not null
) /*sqlite strict*/;
