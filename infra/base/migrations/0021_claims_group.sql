-- The consumer group whose member made the claim. Rooms that share a reader have another group than each of them alone.

ALTER TABLE claims ADD COLUMN group_id text;
COMMENT ON COLUMN claims.group_id IS 'The consumer group of the last claim; NULL: claimed by an earlier release.';
