"""The partition owner: claims, batches, the fenced commit, the outbox, recovery."""
