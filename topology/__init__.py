"""Where it is said and who reacts: topics, partitioner, order states, the saga table."""
