-- The schemas of every release that has been used here, by the id that records carry. A process of an earlier release that reads
-- an id which it does not know looks here: a newer release's record waits for a newer process, anything else is a dead letter.

CREATE TABLE registered_schemas (
    id            integer     PRIMARY KEY,
    name          text        NOT NULL,
    version       integer     NOT NULL,
    sha256        text        NOT NULL,  -- of the schema's canonical form (schemas/codec/lock.py)
    registered_at timestamptz NOT NULL DEFAULT now()
);
