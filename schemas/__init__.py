"""Contracts: messages, their Avro schemas, the wire format, ids and money."""
