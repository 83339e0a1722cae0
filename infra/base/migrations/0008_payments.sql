-- The ledger of money: what each attempt is about, and what all of them together have moved (consumers/payments).

ALTER TABLE payments
    ADD COLUMN all_shipped      boolean NOT NULL DEFAULT false,
    ADD COLUMN at_shipping      boolean NOT NULL DEFAULT false,
    ADD COLUMN authorized_minor bigint  NOT NULL DEFAULT 0,
    ADD COLUMN captured_minor   bigint  NOT NULL DEFAULT 0,
    ADD COLUMN voided_minor     bigint  NOT NULL DEFAULT 0,
    ADD COLUMN refunded_minor   bigint  NOT NULL DEFAULT 0,
    ADD COLUMN expires_at_ms    bigint  NOT NULL DEFAULT 0,    -- when the authorisation lapses; 0: unsaid
    ADD COLUMN deadline_ms      bigint,                        -- when the present state ends by itself; NULL: never
    ADD COLUMN due              text    NOT NULL DEFAULT '[]'; -- consumers.payments.payment.Wish, as JSON, in order

ALTER TABLE payment_attempts
    ADD COLUMN amount_minor     bigint NOT NULL DEFAULT 0,
    ADD COLUMN reference        text   NOT NULL DEFAULT '',    -- the shipment or refund that it is for
    ADD COLUMN authorization_id text   NOT NULL DEFAULT '';

-- What is there already was captured or voided whole. An authorisation that was refused is `declined`, all else `failed`.
UPDATE payment_attempts a
SET amount_minor = p.amount_minor, authorization_id = p.authorization_id,
    result = CASE WHEN a.result NOT IN ('declined', 'failed') THEN a.result
        WHEN a.kind = 'authorize' THEN 'declined' ELSE 'failed' END
FROM payments p
WHERE p.order_id = a.order_id;

UPDATE payments p
SET authorized_minor = a.authorized_minor, captured_minor = a.captured_minor, voided_minor = a.voided_minor
FROM (
    SELECT order_id,
        coalesce(sum(amount_minor) FILTER (WHERE kind = 'authorize'), 0) AS authorized_minor,
        coalesce(sum(amount_minor) FILTER (WHERE kind = 'capture'), 0) AS captured_minor,
        coalesce(sum(amount_minor) FILTER (WHERE kind = 'void'), 0) AS voided_minor
    FROM payment_attempts WHERE result = 'succeeded' GROUP BY order_id
) a
WHERE a.order_id = p.order_id;

ALTER TABLE payments
    ADD CONSTRAINT payments_balance CHECK (
        authorized_minor >= 0 AND captured_minor >= 0 AND voided_minor >= 0 AND refunded_minor >= 0
        AND captured_minor + voided_minor <= authorized_minor AND refunded_minor <= captured_minor
    );

CREATE INDEX payments_due ON payments (partition, deadline_ms) WHERE deadline_ms IS NOT NULL;

COMMENT ON COLUMN payment_attempts.result IS
    'pending, requires_action, succeeded, declined, failed, superseded, resolved or abandoned: consumers/payments/payment.py.';
