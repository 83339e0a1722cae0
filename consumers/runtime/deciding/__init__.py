"""Decides: decodes what was fetched, cuts it into steps, decides records; what the rooms' decisions are built with. Pure."""
