"""What waits: orders that have not come to rest, and records that nobody has decided, with the cause and what to do."""
