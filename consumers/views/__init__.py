"""The views room: each order's timeline in Redis and the index of orders in PostgreSQL, rebuilt whenever either is lost."""
