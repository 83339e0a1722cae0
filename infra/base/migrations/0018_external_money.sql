-- What moved of an order's money at the processor without us (consumers/payments/external.py), and what goods do then.

ALTER TABLE payments
    ADD COLUMN external  text NOT NULL DEFAULT '{}',  -- consumers.payments.state.ExternalMoney by authorisation, as JSON
    ADD COLUMN resolving text NOT NULL DEFAULT '';    -- the note of a ResolveOrder that waits for the processor to be read

ALTER TABLE fulfilments
    ADD COLUMN blocked    text   NOT NULL DEFAULT '',  -- why nothing may leave: payment_disputed or payment_gone
    ADD COLUMN gone_minor bigint NOT NULL DEFAULT 0;   -- what went back at the processor without us, or is lost
