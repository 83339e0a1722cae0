"""The embedded stack: Kafka, PostgreSQL and Valkey from locked packages, as children of one process."""

from infra.stack.endpoints import Endpoints, running_stack
from infra.stack.part import Part
from infra.stack.process import ChildProcess
from infra.stack.progress import LineProgress, Progress, SilentProgress, TerminalProgress, progress_for
from infra.stack.run import run_until_interrupted
from infra.stack.stack import Stack, embedded_stack
from infra.stack.stop import stop_running_stack

__all__ = [
    "ChildProcess",
    "Endpoints",
    "LineProgress",
    "Part",
    "Progress",
    "SilentProgress",
    "Stack",
    "TerminalProgress",
    "embedded_stack",
    "progress_for",
    "run_until_interrupted",
    "running_stack",
    "stop_running_stack",
]
