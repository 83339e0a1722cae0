-- Refuses a whole batch that took an event for true which the row of its room does not confirm (consumers/runtime/origins).
-- As an integrity violation: the owner reads the same records again, and asks about each.
CREATE FUNCTION require_confirmed(confirmed bigint, wanted bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF confirmed <> wanted THEN
        RAISE EXCEPTION 'the rows of their room confirm % of % events', confirmed, wanted USING ERRCODE = '23000';
    END IF;
    RETURN true;
END
$$;
