-- How many partitions a topic's keys are dealt to, and since when (docs/guides/repartition.md).

CREATE TABLE partitionings (
    topic        text        NOT NULL,
    generation   integer     NOT NULL,
    partitions   integer     NOT NULL CHECK (partitions > 0),
    starts       bigint[]    NOT NULL,  -- for each partition the first offset that is decided under this generation
    announced_at timestamptz NOT NULL DEFAULT now(),
    switched_at  timestamptz,           -- NULL while the generation before it is being drained up to `starts`
    PRIMARY KEY (topic, generation),
    CHECK (cardinality(starts) = partitions)
);
CREATE UNIQUE INDEX partitionings_one_change_at_a_time ON partitionings (topic) WHERE switched_at IS NULL;
COMMENT ON TABLE partitionings IS 'One row for each number of partitions that a topic has had; the truth for owners and audits.';
