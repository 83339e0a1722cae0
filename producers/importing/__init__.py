"""Orders from files and from a generator, as order requests."""
