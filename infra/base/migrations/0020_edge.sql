-- What the HTTP API remembers of requests (infra/edge/api/keys.py), in a schema of its own: no room reads it.

CREATE SCHEMA edge;

CREATE TABLE edge.idempotency_keys (
    client       text        NOT NULL,   -- whose key it is; empty where nobody shows who they are
    key          text        NOT NULL,
    fingerprint  bytea       NOT NULL,   -- SHA-256 of method, path and body
    subject_id   text        NOT NULL,   -- the id of what the request makes, stored before it is published
    leased_until timestamptz NOT NULL,   -- whose process is silent until then has lost the key to the next request
    is_done      boolean     NOT NULL DEFAULT FALSE,  -- whether it is on the log
    made_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (client, key)
) WITH (fillfactor = 80);

CREATE INDEX idempotency_keys_subject ON edge.idempotency_keys (subject_id);
CREATE INDEX idempotency_keys_made ON edge.idempotency_keys USING brin (made_at);
