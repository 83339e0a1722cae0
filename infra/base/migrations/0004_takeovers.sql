-- When a partition was last decided, so that whoever takes it over can say how long it stood still.

ALTER TABLE claims ADD COLUMN committed_at timestamptz;
COMMENT ON COLUMN claims.committed_at IS 'When the latest batch was committed; empty until there was one.';
