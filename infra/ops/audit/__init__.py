"""The audit of a live system: its invariants (docs/guarantees.md), checked on one snapshot of PostgreSQL and the log that led to it."""

from infra.ops.audit.report import NAMES, Finding, Report
from infra.ops.audit.run import verify

__all__ = ["NAMES", "Finding", "Report", "verify"]
