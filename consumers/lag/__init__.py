"""Consumer lag of every group: measured from Kafka and PostgreSQL, judged over a sliding window."""
