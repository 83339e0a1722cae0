-- What operators have paused (docs/decisions, 045). Owners read the rows between batches; a change of them is notified.
-- Who, why and when is on operator.actions as well, which keeps what is resumed too.

CREATE TABLE pauses (
    room      text        NOT NULL,
    partition integer,  -- NULL: every partition of the room
    by_whom   text        NOT NULL,
    why       text        NOT NULL,
    paused_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX pauses_of_one_partition ON pauses (room, coalesce(partition, -1));

CREATE FUNCTION notify_of_pauses() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY lastunit_pauses;
    RETURN NULL;
END
$$;
CREATE TRIGGER pauses_changed AFTER INSERT OR UPDATE OR DELETE ON pauses
FOR EACH STATEMENT EXECUTE FUNCTION notify_of_pauses();
