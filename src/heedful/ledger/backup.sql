-- Whole tables out and in again, for `backup` and `restore`. Not among them: `migration`, which the
-- code brings; `key_check`, which the keys bring; a vendor cursor's lease, whose owner is gone.

-- name: backup_counts
-- In the order of the tables below.
select (select count(*) from event),
  (select count(*) from cell),
  (select count(*) from address),
  (select count(*) from evidence),
  (select count(*) from erasure),
  (select count(*) from confirmation),
  (select count(*) from send),
  (select count(*) from delivery),
  (select count(*) from catalogue),
  (select count(*) from topic),
  (select count(*) from checkpoint),
  (select count(*) from vendor_cursor),
  (select count(*) from api_key),
  (select count(*) from kept);

-- name: backup_event
select seq, subject, other, recorded_at, request, content, retracts, hash, body from event
order by seq;

-- name: backup_cell
select subject, slot, scope, at, seq, value from cell
order by subject, slot, scope;

-- name: backup_address
select subject, text, salt, since from address
order by subject;

-- name: backup_evidence
select seq, salt, text from evidence
order by seq;

-- name: backup_erasure
select seq, subject, purge_by, purged_at from erasure
order by seq;

-- name: backup_confirmation
select seq, how from confirmation
order by seq;

-- name: backup_send
select subject, at, request, channel, topic, category, sender, vendor, campaign from send
order by subject, at, request;

-- name: backup_delivery
select seq, vendor, subject, state, attempts, next_at, answered_at, answer from delivery
order by seq, vendor, subject;

-- name: backup_catalogue
select number, applied_at, applied_by, reason, digest, text from catalogue
order by number;

-- name: backup_topic
select name, category, number, since from topic
order by number, name;

-- name: backup_checkpoint
select epoch, seq, hash, recorded_at, made_at, key, signature from checkpoint
order by made_at, seq;

-- name: backup_vendor_cursor
select vendor, touches, stage, as_of, scan, seq, hash, state, why from vendor_cursor
order by vendor;

-- name: backup_api_key
select name, secret, permissions, vendor, made_at, revoked_at from api_key
order by made_at, name;

-- name: backup_kept
select id, source, why, at, body from kept
order by id;

-- name: restore_event [sqlite]
insert into event (seq, subject, other, recorded_at, request, content, retracts, hash, body)
values (:seq, :subject, :other, :recorded_at, :request, :content, :retracts, :hash, :body);

-- name: restore_event [postgresql]
insert into event (seq, subject, other, recorded_at, request, content, retracts, hash, body)
select * from unnest(
  :seq::bigint[], :subject::bytea[], :other::bytea[], :recorded_at::bigint[],
  :request::bytea[], :content::bytea[], :retracts::bigint[], :hash::bytea[], :body::bytea[]);

-- name: restore_cell [sqlite]
insert into cell (subject, slot, scope, at, seq, value)
values (:subject, :slot, :scope, :at, :seq, :value);

-- name: restore_cell [postgresql]
insert into cell (subject, slot, scope, at, seq, value)
select * from unnest(
  :subject::bytea[], :slot::text[], :scope::text[], :at::bigint[], :seq::bigint[],
  :value::text[]);

-- name: restore_address [sqlite]
insert into address (subject, text, salt, since)
values (:subject, :text, :salt, :since);

-- name: restore_address [postgresql]
insert into address (subject, text, salt, since)
select * from unnest(
  :subject::bytea[], :text::text[], :salt::bytea[], :since::bigint[]);

-- name: restore_evidence [sqlite]
insert into evidence (seq, salt, text)
values (:seq, :salt, :text);

-- name: restore_evidence [postgresql]
insert into evidence (seq, salt, text)
select * from unnest(
  :seq::bigint[], :salt::bytea[], :text::text[]);

-- name: restore_erasure [sqlite]
insert into erasure (seq, subject, purge_by, purged_at)
values (:seq, :subject, :purge_by, :purged_at);

-- name: restore_erasure [postgresql]
insert into erasure (seq, subject, purge_by, purged_at)
select * from unnest(
  :seq::bigint[], :subject::bytea[], :purge_by::bigint[], :purged_at::bigint[]);

-- name: restore_confirmation [sqlite]
insert into confirmation (seq, how)
values (:seq, :how);

-- name: restore_confirmation [postgresql]
insert into confirmation (seq, how)
select * from unnest(
  :seq::bigint[], :how::text[]);

-- name: restore_send [sqlite]
insert into send (subject, at, request, channel, topic, category, sender, vendor, campaign)
values (:subject, :at, :request, :channel, :topic, :category, :sender, :vendor, :campaign);

-- name: restore_send [postgresql]
insert into send (subject, at, request, channel, topic, category, sender, vendor, campaign)
select * from unnest(
  :subject::bytea[], :at::bigint[], :request::bytea[], :channel::text[], :topic::text[],
  :category::text[], :sender::text[], :vendor::text[], :campaign::text[]);

-- name: restore_delivery [sqlite]
insert into delivery (seq, vendor, subject, state, attempts, next_at, answered_at, answer)
values (:seq, :vendor, :subject, :state, :attempts, :next_at, :answered_at, :answer);

-- name: restore_delivery [postgresql]
insert into delivery (seq, vendor, subject, state, attempts, next_at, answered_at, answer)
select * from unnest(
  :seq::bigint[], :vendor::text[], :subject::bytea[], :state::text[], :attempts::bigint[],
  :next_at::bigint[], :answered_at::bigint[], :answer::text[]);

-- name: restore_catalogue
insert into catalogue (number, applied_at, applied_by, reason, digest, text)
values (:number, :applied_at, :applied_by, :reason, :digest, :text);

-- name: restore_topic
insert into topic (name, category, number, since)
values (:name, :category, :number, :since);

-- name: restore_checkpoint
insert into checkpoint (epoch, seq, hash, recorded_at, made_at, key, signature)
values (:epoch, :seq, :hash, :recorded_at, :made_at, :key, :signature);

-- name: restore_vendor_cursor
-- Told anew from the start: what a vendor was told after the backup may not be true any more. The
-- empty list of touchpoints has grown by all there are.
insert into vendor_cursor (vendor, touches, stage, as_of, scan, seq, hash, state, why)
values (:vendor, substr(cast(:touches as text), 1, 0), :stage, :as_of, :scan, :seq, :hash, :state, :why);

-- name: restore_api_key
insert into api_key (name, secret, permissions, vendor, made_at, revoked_at)
values (:name, :secret, :permissions, :vendor, :made_at, :revoked_at);

-- name: restore_kept [sqlite]
insert into kept (id, source, why, at, body)
values (:id, :source, :why, :at, :body);

-- name: restore_kept [postgresql]
insert into kept (id, source, why, at, body)
overriding system value
values (:id, :source, :why, :at, :body);

-- name: restore_head
update head set seq = :seq, hash = :hash, recorded_at = :recorded_at, epoch = :epoch,
  catalogue = :catalogue, digests = :digests;

-- name: restored [sqlite]
-- Nothing to settle.
select 1;

-- name: restored [postgresql]
-- The next number of `kept` comes after those that are there.
select setval(
  pg_get_serial_sequence('kept', 'id'), (select coalesce(max(id), 0) + 1 from kept), false);

-- name: study [sqlite]
select 1;

-- name: study [postgresql]
-- Or the planner would take tables filled in this transaction for small ones.
analyze event, cell, address, evidence, confirmation, send, delivery;
