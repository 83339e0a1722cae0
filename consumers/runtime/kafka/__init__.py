"""Reads from Kafka: the consumer, what it fetched, who gets which partition."""
