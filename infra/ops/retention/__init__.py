"""What grows has an owner here: weekly partitions are made ahead and dropped when past, finished rows are deleted."""
