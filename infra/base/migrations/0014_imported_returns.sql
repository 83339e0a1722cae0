-- What an imported order consists of, so that a credit note finds its lines, and which credit notes have become returns.

ALTER TABLE imports
    ADD COLUMN customer_id text,
    ADD COLUMN content     bytea,  -- msgpack of (currency, lines in the order of their numbers); NULL: imported before this release
    ADD COLUMN dated       text;   -- the date of the order as its file writes it

CREATE INDEX imports_by_customer ON imports (source, customer_id);

CREATE TABLE imported_returns (
    source      text      NOT NULL,
    external_id text      NOT NULL,  -- the other system's number of the credit note
    order_id    uuid      NOT NULL,
    lines       integer[] NOT NULL,  -- the numbers of the order's lines that it takes back
    fingerprint bytea     NOT NULL,  -- digest of the credit note, to notice one that has changed since
    PRIMARY KEY (source, external_id)
);

CREATE INDEX imported_returns_by_order ON imported_returns (source, order_id);
