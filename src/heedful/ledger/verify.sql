-- What `verify` reads: whole tables, once each, in one snapshot.

-- name: verify_counts
select (select count(*) from cell), (select count(*) from event);

-- name: verify_retractions
select seq, retracts from event where retracts is not null order by seq;

-- name: verify_events
-- Every event with what lies beside it. The `subject` of an address tells that the row is there:
-- its text may be gone.
select e.seq, e.subject, e.other, e.recorded_at, e.request, e.content, e.retracts, e.hash, e.body,
  s.subject, s.text, s.salt, s.since, o.subject, o.text, o.salt, o.since, v.salt, v.text, c.how
from event e
left join address s on s.subject = e.subject
left join address o on o.subject = e.other
left join evidence v on v.seq = e.seq
left join confirmation c on c.seq = e.seq
order by e.seq;

-- name: verify_bodies
-- For folding again the subjects that had no room in memory before.
select seq, body from event order by seq;

-- name: verify_cells
select subject, slot, scope, at, seq, value from cell;

-- name: verify_requests
-- Two events of one request: the index would not allow it, if it were whole.
select min(seq), max(seq) from event where request is not null group by request
having count(*) > 1 order by 1;

-- name: verify_addresses
-- The last column: whether an event names the subject.
select a.subject, a.text, a.salt, a.since,
  exists (select 1 from event e where e.subject = a.subject)
  or exists (select 1 from event e where e.other = a.subject)
from address a;

-- name: verify_alone
-- Rows that belong to an event that is not there.
select 'evidence', v.seq from evidence v left join event e on e.seq = v.seq where e.seq is null
union all
select 'confirmation', c.seq from confirmation c
left join event e on e.seq = c.seq where e.seq is null
union all
select 'delivery', d.seq from delivery d left join event e on e.seq = d.seq where e.seq is null;

-- name: verify_erasures
select seq, subject, purge_by, purged_at from erasure order by seq;

-- name: verify_catalogues
select number, applied_at, digest, text from catalogue order by number;

-- name: verify_topics
select name, category, number, since from topic order by number, name;

-- name: verify_delivery_states
select state, min(seq) from delivery group by state order by state;

-- name: verify_send_words
select distinct channel, category from send;

-- name: verify_api_keys
select name, permissions, secret from api_key order by name;

-- name: verify_vendor_cursors
select vendor, stage, as_of, seq, hash, state from vendor_cursor order by vendor;
