"""Who speaks: the order client, importers, generated traffic, the publisher."""
