"""Gives inventory.commands more partitions while orders flow: announce, drain, add, switch, resume."""
