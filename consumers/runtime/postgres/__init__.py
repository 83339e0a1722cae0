"""Writes to PostgreSQL: connections, the statement of a batch, the outbox."""
