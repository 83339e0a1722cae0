-- Money at the processor that no order of ours stood for, and what was done about it (infra/orphans).

CREATE TABLE payment_orphans (
    operation_id     text   PRIMARY KEY,
    order_id         uuid   NOT NULL,  -- as the processor has it; there may be no such order
    authorization_id text   NOT NULL,
    kind             text   NOT NULL,  -- void or refund
    amount_minor     bigint NOT NULL,
    currency         text   NOT NULL,
    why              text   NOT NULL,
    result           text   NOT NULL DEFAULT 'pending',
    reason           text   NOT NULL DEFAULT '',
    found_at         timestamptz NOT NULL DEFAULT now(),
    finished_at      timestamptz
);
COMMENT ON TABLE payment_orphans IS 'Written before the processor is asked, so that an answer that is lost is asked for again.';
