-- Which orders of other systems are ours already (producers/importer.py), so that reading a file twice sells nothing twice.

CREATE TABLE imports (
    source       text        NOT NULL,
    external_id  text        NOT NULL,  -- the other system's number of the order
    order_id     uuid        NOT NULL,  -- ours; stands here before anything is published
    lines        integer     NOT NULL,
    fingerprint  bytea       NOT NULL,  -- digest of the lines, to notice an order that has changed since
    published_at timestamptz,           -- when Kafka had acknowledged every line; until then it is published again
    PRIMARY KEY (source, external_id)
);
