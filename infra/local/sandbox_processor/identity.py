"""Which sandbox serves a database: its payments are in the books of one alone.

Two systems on one database share its payments, whichever of them works on an order. Each with a sandbox of its own would
ask the sandbox that does not know the authorisation, so the second one is refused before anything starts.
"""

from __future__ import annotations

import secrets
import socket
from typing import TYPE_CHECKING, Final

import asyncpg

from infra.base.errors import SandboxConflictError
from infra.base.private_files import lasting_text
from infra.base.settings import PREFIX

if TYPE_CHECKING:
    from pathlib import Path

_CLAIM: Final = """
INSERT INTO payment_sandbox AS p (sandbox_id, folder) VALUES ($1, $2)
ON CONFLICT (is_only) DO UPDATE SET folder = $2, claimed_at = now() WHERE p.sandbox_id = $1
RETURNING true
"""


async def claim_database(dsn: str, books: Path) -> None:
    """Make the sandbox with these `books` (a folder) the one of this database.

    Raises SandboxConflictError where another one is.
    """
    sandbox_id = lasting_text(books / "sandbox-id", lambda: secrets.token_hex(16))
    connection = await asyncpg.connect(dsn)
    try:
        if await connection.fetchval(_CLAIM, sandbox_id, f"{socket.gethostname()}:{books}"):
            return
        folder = await connection.fetchval("SELECT folder FROM payment_sandbox")
    finally:
        await connection.close()
    raise SandboxConflictError(
        f"The payments in this database are in the books of another payment sandbox, {folder}; a second one would know "
        f"half of them. Start the system where those books are, or set {PREFIX}PROCESSOR_URL to that sandbox's address "
        "(`lastunit up` prints it), or name an empty database."
    )
