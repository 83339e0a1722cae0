-- Which payment sandbox has the books of this database's payments: with two of them each would know half.

CREATE TABLE payment_sandbox (
    is_only    boolean     PRIMARY KEY DEFAULT true CHECK (is_only),
    sandbox_id text        NOT NULL,
    folder     text        NOT NULL,  -- where its books were when it was started last
    claimed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE payment_sandbox IS 'The one built-in payment processor that may serve this database; empty where a real one does.';
