"""Clients that other systems publish with: orders, order commands, stock commands."""
