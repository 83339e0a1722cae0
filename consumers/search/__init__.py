"""Full-text search over the catalogue: each node builds its own index from the topics."""
