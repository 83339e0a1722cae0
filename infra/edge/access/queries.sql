-- name: load_keys
SELECT
    key_id,
    client,
    sha256,
    scopes,
    extract(EPOCH FROM expires_at)::float8 AS expires_at,
    revoked_at IS NOT NULL AS is_revoked
FROM edge.api_keys;

-- name: note_uses
UPDATE edge.api_keys SET last_used_at = now()
WHERE sha256 = ANY($1::bytea[]) AND (last_used_at IS NULL OR last_used_at < now() - $2::interval);

-- name: create_key
INSERT INTO edge.api_keys (key_id, client, name, sha256, hint, scopes, expires_at)
VALUES ($1, $1, $2, $3, $4, $5, now() + $6::interval)
RETURNING *;

-- name: rotate_key
-- The old key ends with the overlap, unless it ends before; a key that is not good any more is not rotated.
WITH old AS (
    UPDATE edge.api_keys SET expires_at = least(expires_at, now() + $5::interval)
    WHERE key_id = $1 AND revoked_at IS NULL AND coalesce(expires_at > now(), TRUE)
    RETURNING client, name, scopes
)
INSERT INTO edge.api_keys (key_id, client, name, sha256, hint, scopes, expires_at)
SELECT $2, client, name, $3, $4, scopes, now() + $6::interval FROM old
RETURNING *;

-- name: revoke_key
UPDATE edge.api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE key_id = $1 RETURNING *;

-- name: list_keys
SELECT * FROM edge.api_keys
WHERE $1 OR (revoked_at IS NULL AND coalesce(expires_at > now(), TRUE))
ORDER BY made_at, key_id;
