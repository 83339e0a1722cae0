"""Sets back, or forward, where a foreign consumer group or a projection reads; a room's position is never touched."""
