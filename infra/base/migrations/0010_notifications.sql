-- Who is told of orders, and what they were not told yet (consumers/notifications).

CREATE TABLE webhook_subscriptions (
    subscription_id  text   PRIMARY KEY,
    url              text   NOT NULL,
    secret           text   NOT NULL,               -- whsec_..., as Standard Webhooks writes it
    kinds            text[] NOT NULL DEFAULT '{}',  -- topology.saga.NOTIFIED; none: all
    created_at       timestamptz NOT NULL DEFAULT now(),
    disabled_because text                           -- null: it is told
);
COMMENT ON TABLE webhook_subscriptions IS 'Other systems that are told of what happens to orders.';

CREATE TABLE webhook_deliveries (
    subscription_id    text    NOT NULL REFERENCES webhook_subscriptions ON DELETE CASCADE,
    notification_id    text    NOT NULL,
    partition          integer NOT NULL,
    body               text    NOT NULL,
    attempts           integer NOT NULL DEFAULT 0,
    next_attempt_at_ms bigint  NOT NULL,
    last_error         text    NOT NULL DEFAULT '',
    parked_because     text,                        -- null: it is tried again
    PRIMARY KEY (subscription_id, notification_id)
) WITH (fillfactor = 70);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (subscription_id, partition, next_attempt_at_ms)
    WHERE parked_because IS NULL;
COMMENT ON TABLE webhook_deliveries IS
    'What is still to be delivered; a row goes once its subscriber has taken it. Parked rows stay until a person decides.';
