-- Which log a position belongs to: another cluster, or a topic that was made again, has the same names and other records.

ALTER TABLE claims
    ADD COLUMN cluster_id    text,
    ADD COLUMN topic_ids     text[],         -- Kafka's id of each source topic, in the order of next_offsets
    ADD COLUMN last_records  text[],         -- `offset:digest` of the last record decided of each source; '' where there was none
    ADD COLUMN went_back_at  timestamptz,    -- when this position was found behind the one that Kafka was given
    ADD COLUMN reread_up_to  bigint[];       -- where that one was: so far everything is decided again
COMMENT ON COLUMN claims.cluster_id IS 'Set by the first claim; a claim of another log is refused (lastunit topology rebase).';
