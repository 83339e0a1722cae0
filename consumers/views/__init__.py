"""The views room: each order's timeline in Redis, rebuilt from order.events whenever Redis has lost it."""
