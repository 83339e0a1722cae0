"""Looks for what is set up wrong, before it hurts: each finding has the command that mends it. It changes nothing."""
