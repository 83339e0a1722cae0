-- Keys of the HTTP API (infra/edge/access). Of a key itself only its SHA-256 is kept, and its first letters.

CREATE TABLE edge.api_keys (
    key_id       text        PRIMARY KEY,
    client       text        NOT NULL,  -- whose idempotency keys and requests; a key and those it is rotated into are one client
    name         text        NOT NULL,
    sha256       bytea       NOT NULL UNIQUE CHECK (octet_length(sha256) = 32),
    hint         text        NOT NULL,  -- how the key begins
    scopes       text[]      NOT NULL CHECK (cardinality(scopes) > 0),
    made_at      timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,           -- null: never
    revoked_at   timestamptz,
    last_used_at timestamptz            -- to within ten minutes or so
);
