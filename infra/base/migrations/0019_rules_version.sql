-- By which version of the decision rules a partition is decided (topology/rules.py). 0: before rules had versions.

ALTER TABLE claims ADD COLUMN rules_version integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN claims.rules_version IS 'The version of the decision rules in force; adopted by a record of the log.';
