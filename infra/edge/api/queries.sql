-- name: claim_keys
-- A key that is new, or whose lease is over without its request being done. Others are looked up as they were before; one
-- that another process wrote at this very moment is found in neither way, and is in flight.
WITH asked AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::text[]) AS a (client, key, fingerprint, subject_id)
), claimed AS (
    INSERT INTO edge.idempotency_keys AS k (client, key, fingerprint, subject_id, leased_until)
    SELECT client, key, fingerprint, subject_id, now() + $5::interval FROM asked
    ON CONFLICT (client, key) DO UPDATE SET leased_until = excluded.leased_until
    WHERE NOT k.is_done AND k.leased_until <= now() AND k.fingerprint = excluded.fingerprint
    RETURNING client, key, subject_id
)
SELECT
    a.client,
    a.key,
    coalesce(c.subject_id, k.subject_id) AS subject_id,
    c.client IS NOT NULL AS is_claimed,
    coalesce(k.is_done, FALSE) AS is_done,
    k.fingerprint = a.fingerprint AS is_same
FROM asked AS a
LEFT JOIN claimed AS c USING (client, key)
LEFT JOIN edge.idempotency_keys AS k USING (client, key);

-- name: complete_keys
UPDATE edge.idempotency_keys AS k SET is_done = TRUE
FROM unnest($1::text[], $2::text[]) AS d (client, key)
WHERE k.client = d.client AND k.key = d.key;

-- name: release_key
UPDATE edge.idempotency_keys SET leased_until = now() WHERE client = $1 AND key = $2 AND NOT is_done;

-- name: find_subject
SELECT 1 FROM edge.idempotency_keys WHERE subject_id = ANY($1::text[]) LIMIT 1;

-- name: delete_old_keys
DELETE FROM edge.idempotency_keys WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM edge.idempotency_keys WHERE made_at < now() - $1::interval LIMIT $2
)) RETURNING 1;
