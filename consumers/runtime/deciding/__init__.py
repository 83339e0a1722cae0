"""What the rooms' decisions are built with."""
