"""The wire format, its compiled readers and writers, and the lock that gives every schema version its id."""
