"""Where messages go and who reacts: topics, partitioner, order states, the saga table."""
