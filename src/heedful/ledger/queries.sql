-- Every query of the ledger, by name. The loader rewrites `:name` for the driver once. A query
-- whose text differs between the engines is written twice: `-- name: NAME [engine]`.
-- On PostgreSQL a write of many rows takes each column as one array.

-- name: migrations
-- The numbers applied, oldest first.
select number from migration order by number;

-- name: add_migration
insert into migration (number, name, applied_at) values (:number, :name, :applied_at);

-- name: begin_head
-- The one row; an empty history has seq 0.
insert into head (id, seq, hash, recorded_at, epoch, catalogue, digests)
values (1, 0, :hash, 0, :epoch, 0, null);

-- name: add_key_check
insert into key_check (id, value) values (:id, :value);

-- name: key_checks
select id, value from key_check order by id;

-- name: lock_head [sqlite]
-- SQLite's one writers' lock was taken by `begin immediate` before this.
select seq, hash, recorded_at, epoch, catalogue, digests from head;

-- name: lock_head [postgresql]
-- First in every writing transaction: waits for the writer before, and then sees all it wrote.
select seq, hash, recorded_at, epoch, catalogue, digests from head for update;

-- name: head
select seq, hash, recorded_at, epoch, catalogue, digests from head;

-- name: advance_head
update head set seq = :seq, hash = :hash, recorded_at = :recorded_at, digests = :digests;

-- name: advance_catalogue
update head set catalogue = :number;

-- name: cells_of_one
-- The hot path: the head first (catalogue, seq, digests in the last three columns), then the
-- cells of one subject, all of one snapshot.
select cast(null as text), cast(null as text), catalogue, seq, digests from head
union all
select slot, scope, at, seq, value from cell where subject = :subject;

-- name: cells_of_many [sqlite]
-- The same for many: `subjects` are `count` keys of 16 bytes, one after the other, each once.
with recursive n (i) as (select 0 union all select i + 1 from n where i + 1 < :count)
select null, null, null, catalogue, seq, digests from head
union all
select cell.subject, slot, scope, at, seq, value
from n cross join cell on cell.subject = substr(:subjects, n.i * 16 + 1, 16);

-- name: cells_of_many [postgresql]
-- The same for many, each once.
select cast(null as bytea), cast(null as text), cast(null as text), catalogue, seq, digests
from head
union all
select cell.subject, slot, scope, at, seq, value
from unnest(:subjects::bytea[]) as wanted (subject) join cell using (subject);

-- name: standing_keys
-- Subjects that something stops, in the order of their keys.
select distinct subject from cell
where subject > :after
  and (slot in ('out', 'limit') or (slot >= 'suppress:' and slot < 'suppress;'))
order by subject limit :most;

-- name: held_scopes
-- Every scope that anybody ever opted out of or limited, unless that was retracted.
select distinct scope from cell where slot in ('out', 'limit');

-- name: events_asked [sqlite]
-- Events that came with these requests, `count` digests of 16 bytes one after the other.
with recursive n (i) as (select 0 union all select i + 1 from n where i + 1 < :count)
select request, seq, content, body
from n cross join event on request = substr(:requests, n.i * 16 + 1, 16);

-- name: events_asked [postgresql]
select request, seq, content, body
from unnest(:requests::bytea[]) as wanted (request) join event using (request);

-- name: addresses [sqlite]
with recursive n (i) as (select 0 union all select i + 1 from n where i + 1 < :count)
select subject, text, salt
from n cross join address on subject = substr(:subjects, n.i * 16 + 1, 16);

-- name: addresses [postgresql]
select subject, text, salt
from unnest(:subjects::bytea[]) as wanted (subject) join address using (subject);

-- name: address
select text, salt from address where subject = :subject;

-- name: append_events [sqlite]
insert into event (seq, subject, other, recorded_at, request, content, retracts, hash, body)
values (:seq, :subject, :other, :recorded_at, :request, :content, :retracts, :hash, :body);

-- name: append_events [postgresql]
insert into event (seq, subject, other, recorded_at, request, content, retracts, hash, body)
select * from unnest(
  :seq::bigint[], :subject::bytea[], :other::bytea[], :recorded_at::bigint[], :request::bytea[],
  :content::bytea[], :retracts::bigint[], :hash::bytea[], :body::bytea[]);

-- name: write_cells [sqlite]
-- A maximum: a writing that is older than what the cell holds changes nothing.
insert into cell (subject, slot, scope, at, seq, value)
values (:subject, :slot, :scope, :at, :seq, :value)
on conflict (subject, slot, scope)
do update set at = excluded.at, seq = excluded.seq, value = excluded.value
where (excluded.at, excluded.seq) > (cell.at, cell.seq);

-- name: write_cells [postgresql]
-- No cell may come twice in one call.
insert into cell (subject, slot, scope, at, seq, value)
select * from unnest(
  :subject::bytea[], :slot::text[], :scope::text[], :at::bigint[], :seq::bigint[], :value::text[])
on conflict (subject, slot, scope)
do update set at = excluded.at, seq = excluded.seq, value = excluded.value
where (excluded.at, excluded.seq) > (cell.at, cell.seq);

-- name: delete_cell
-- Only after a retraction, which folds the cell anew.
delete from cell where subject = :subject and slot = :slot and scope = :scope;

-- name: write_addresses [sqlite]
-- A text that is there stays, with its salt; one that was erased comes back with another salt.
insert into address (subject, text, salt, since) values (:subject, :text, :salt, :since)
on conflict (subject)
do update set text = excluded.text, salt = excluded.salt, since = excluded.since
where address.text is null;

-- name: write_addresses [postgresql]
insert into address (subject, text, salt, since)
select * from unnest(:subject::bytea[], :text::text[], :salt::bytea[], :since::bigint[])
on conflict (subject)
do update set text = excluded.text, salt = excluded.salt, since = excluded.since
where address.text is null;

-- name: write_evidence [sqlite]
insert into evidence (seq, salt, text) values (:seq, :salt, :text);

-- name: write_evidence [postgresql]
insert into evidence (seq, salt, text)
select * from unnest(:seq::bigint[], :salt::bytea[], :text::text[]);

-- name: write_confirmation
insert into confirmation (seq, how) values (:seq, :how);

-- name: confirmation
select how from confirmation where seq = :seq;

-- name: event
select e.seq, e.subject, e.other, e.hash, e.body, s.text, o.text, v.text
from event e
left join address s on s.subject = e.subject
left join address o on o.subject = e.other
left join evidence v on v.seq = e.seq
where e.seq = :seq;

-- name: feed
-- From an event on, itself included: its hash tells whether this is the history it was read from.
select e.seq, e.subject, e.other, e.hash, e.body, s.text, o.text, v.text
from event e
left join address s on s.subject = e.subject
left join address o on o.subject = e.other
left join evidence v on v.seq = e.seq
where e.seq >= :seq order by e.seq limit :most;

-- name: history
-- Every event about a subject, or that links it, oldest first.
select e.seq, e.subject, e.other, e.hash, e.body, s.text, o.text, v.text
from (
  select * from event where subject = :subject
  union all
  select * from event where other = :subject
) e
left join address s on s.subject = e.subject
left join address o on o.subject = e.other
left join evidence v on v.seq = e.seq
order by e.seq;

-- name: bodies_after
-- What was recorded since: few, where a moment has passed.
select body from event where seq > :seq order by seq;

-- name: content
-- What an event said, as a keyed digest.
select content from event where seq = :seq;

-- name: events_until [sqlite]
-- Events of many subjects up to an instant, texts left out: for folding them again.
with recursive n (i) as (select 0 union all select i + 1 from n where i + 1 < :count)
select seq, event.subject, other, hash, body, null, null, null
from n cross join event on event.subject = substr(:subjects, n.i * 16 + 1, 16)
where recorded_at <= :until
union
select seq, event.subject, other, hash, body, null, null, null
from n cross join event on other = substr(:subjects, n.i * 16 + 1, 16)
where recorded_at <= :until
order by 1;

-- name: events_until [postgresql]
select seq, event.subject, other, hash, body,
  cast(null as text), cast(null as text), cast(null as text)
from unnest(:subjects::bytea[]) as wanted (subject) join event using (subject)
where recorded_at <= :until
union
select seq, event.subject, other, hash, body,
  cast(null as text), cast(null as text), cast(null as text)
from unnest(:subjects::bytea[]) as wanted (subject) join event on event.other = wanted.subject
where recorded_at <= :until
order by 1;

-- name: retracted_by
select seq from event where retracts = :seq;

-- name: add_erasure
insert into erasure (seq, subject, purge_by, purged_at) values (:seq, :subject, :purge_by, null);

-- name: erasures_waiting
select seq, subject, purge_by from erasure where purged_at is null order by seq;

-- name: purge_evidence
-- Of the events about the subject, or linking it, up to its erasure.
delete from evidence where seq in (
  select seq from event where subject = :subject and seq <= :seq
  union all
  select seq from event where other = :subject and seq <= :seq);

-- name: said_since
-- Whether the subject was named again after its erasure: then its text has come back to stay.
select 1 from (
  select seq from event where subject = :subject and seq > :seq
  union all
  select seq from event where other = :subject and seq > :seq) e limit 1;

-- name: purge_address
update address set text = null, salt = null where subject = :subject;

-- name: salt_address
-- The digests of the events before `since` cannot be checked any more, those after it can.
update address set salt = :salt, since = :since where subject = :subject;

-- name: purged
update erasure set purged_at = :purged_at where seq = :seq;

-- name: write_sends [sqlite]
insert into send (subject, at, request, channel, topic, category, sender, vendor, campaign)
values (:subject, :at, :request, :channel, :topic, :category, :sender, :vendor, :campaign)
on conflict do nothing;

-- name: write_sends [postgresql]
insert into send (subject, at, request, channel, topic, category, sender, vendor, campaign)
select * from unnest(
  :subject::bytea[], :at::bigint[], :request::bytea[], :channel::text[], :topic::text[],
  :category::text[], :sender::text[], :vendor::text[], :campaign::text[])
on conflict do nothing;

-- name: sends
select channel, topic, category, at from send where subject = :subject and at >= :since
order by at;

-- name: last_send
select subject, channel, topic, category, at, sender, vendor, campaign from send
where subject = :subject and sender = :sender order by at desc limit 1;

-- name: add_catalogue
insert into catalogue (number, applied_at, applied_by, reason, digest, text)
values (:number, :applied_at, :applied_by, :reason, :digest, :text);

-- name: catalogue
select applied_at, text from catalogue where number = :number;

-- name: catalogue_at
-- The last one applied by then; before the first, the first.
select coalesce(max(number), 1) from catalogue where applied_at <= :at;

-- name: add_topic
insert into topic (name, category, number, since) values (:name, :category, :number, :since)
on conflict (name) do nothing;

-- name: topics
select name, category, since from topic where number <= :number order by name;

-- name: add_checkpoint
insert into checkpoint (epoch, seq, hash, recorded_at, made_at, key, signature)
values (:epoch, :seq, :hash, :recorded_at, :made_at, :key, :signature)
on conflict do nothing;

-- name: checkpoints
select seq, hash, recorded_at, epoch, made_at, key, signature from checkpoint
order by made_at, seq;

-- name: keep
insert into kept (source, why, at, body) values (:source, :why, :at, :body) returning id;

-- name: forget_kept
delete from kept where at < :before;

-- name: kept
select id, source, why, at, body from kept order by id desc limit :most;

-- name: add_api_key
insert into api_key (name, secret, permissions, vendor, made_at, revoked_at)
values (:name, :secret, :permissions, :vendor, :made_at, null);

-- name: api_key
select name, permissions, vendor, made_at, revoked_at from api_key where name = :name;

-- name: api_key_of
select name, permissions, vendor, made_at, revoked_at, secret from api_key
where secret = :secret;

-- name: api_keys
select name, permissions, vendor, made_at, revoked_at from api_key order by made_at, name;

-- name: revoke_api_key
update api_key set revoked_at = :now where name = :name and revoked_at is null returning name;

-- name: vendor_cursors
select vendor, touches, stage, as_of, scan, seq, hash, owner, leased_until, state, why
from vendor_cursor order by vendor;

-- name: vendor_cursor
select vendor, touches, stage, as_of, scan, seq, hash, owner, leased_until, state, why
from vendor_cursor where vendor = :vendor;

-- name: add_vendor_cursor
insert into vendor_cursor
  (vendor, touches, stage, as_of, scan, seq, hash, owner, leased_until, state, why)
values (:vendor, '', 'first', 0, null, 0, '', null, null, 'active', null)
on conflict (vendor) do nothing;

-- name: take_lease
update vendor_cursor set owner = :owner, leased_until = :until where vendor = :vendor;

-- name: prolong_lease
-- No row where it is somebody else's by now.
update vendor_cursor set leased_until = :until where vendor = :vendor and owner = :owner
returning vendor;

-- name: end_lease
update vendor_cursor set owner = null, leased_until = null
where vendor = :vendor and owner = :owner;

-- name: move_vendor_cursor
update vendor_cursor set touches = :touches, stage = :stage, as_of = :as_of, scan = :scan,
  seq = :seq, hash = :hash
where vendor = :vendor;

-- name: set_vendor_state
update vendor_cursor set state = :state, why = :why where vendor = :vendor;

-- name: write_deliveries [sqlite]
insert into delivery (seq, vendor, subject, state, attempts, next_at, answered_at, answer)
values (:seq, :vendor, :subject, :state, :attempts, :next_at, :answered_at, :answer)
on conflict (seq, vendor, subject)
do update set state = excluded.state, attempts = excluded.attempts, next_at = excluded.next_at,
  answered_at = excluded.answered_at, answer = excluded.answer;

-- name: write_deliveries [postgresql]
-- No delivery may come twice in one call.
insert into delivery (seq, vendor, subject, state, attempts, next_at, answered_at, answer)
select * from unnest(
  :seq::bigint[], :vendor::text[], :subject::bytea[], :state::text[], :attempts::bigint[],
  :next_at::bigint[], :answered_at::bigint[], :answer::text[])
on conflict (seq, vendor, subject)
do update set state = excluded.state, attempts = excluded.attempts, next_at = excluded.next_at,
  answered_at = excluded.answered_at, answer = excluded.answer;

-- name: deliveries_later
select vendor, subject, seq, state, attempts, next_at, answered_at, answer from delivery
where vendor = :vendor and state = 'later' order by seq, subject;

-- name: deliveries_dead
select vendor, subject, seq, state, attempts, next_at, answered_at, answer from delivery
where vendor = :vendor and state = 'dead' order by seq, subject;

-- name: deliveries_told
select vendor, subject, seq, state, attempts, next_at, answered_at, answer from delivery
where seq = :seq order by vendor, subject;

-- name: deliveries_between
-- What one vendor has answered of a stretch of the feed.
select seq, subject from delivery where seq > :after and seq <= :upto and vendor = :vendor;

-- name: count_later
-- How many, and the oldest event; by an index that holds these alone.
select count(*), min(seq) from delivery where vendor = :vendor and state = 'later';

-- name: count_dead
select count(*), min(seq) from delivery where vendor = :vendor and state = 'dead';

-- name: answer_open
-- What the vendor said to the newest event that waits, or else that was given up.
select answer from (
  select 0 as dead, answer from (
    select answer from delivery where vendor = :vendor and state = 'later'
    order by seq desc limit 1) a
  union all
  select 1, answer from (
    select answer from delivery where vendor = :vendor and state = 'dead'
    order by seq desc limit 1) b) c
order by dead limit 1;

-- name: deliveries_open
-- Of one subject, by any vendor: not answered yet.
select vendor from delivery where state = 'later' and subject = :subject
union
select vendor from delivery where state = 'dead' and subject = :subject;

-- name: retry_dead
update delivery set state = 'later', attempts = 0, next_at = :now
where vendor = :vendor and state = 'dead' returning seq;

-- name: begin [postgresql]
begin isolation level read committed;

-- name: commit [postgresql]
commit;

-- name: savepoint
savepoint job;

-- name: rollback_to_savepoint [sqlite]
rollback to savepoint job;
