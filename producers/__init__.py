"""What publishes: the order client, importers, generated traffic, the publisher."""
