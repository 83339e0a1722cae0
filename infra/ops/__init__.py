"""Operating a live system: audit, retention, repartition, reconciliation, overdue orders."""
