"""The embedded stack: Kafka, PostgreSQL and Valkey from locked packages, as children of one process."""

from infra.local.stack.process import ChildProcess
from infra.local.stack.progress import LineProgress, Progress, SilentProgress, TerminalProgress, progress_for
from infra.local.stack.run import run_until_interrupted
from infra.local.stack.server import EmbeddedServer
from infra.local.stack.stack import Stack, embedded_stack
from infra.local.stack.stop import stop_running_stack

__all__ = [
    "ChildProcess",
    "EmbeddedServer",
    "LineProgress",
    "Progress",
    "SilentProgress",
    "Stack",
    "TerminalProgress",
    "embedded_stack",
    "progress_for",
    "run_until_interrupted",
    "stop_running_stack",
]
