"""A program's virtual environment: lastunit-client, what it needs, and the program's own packages beside it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from docs.tools import client_wheel

NEEDED = ("aiokafka", "async_timeout", "fastavro", "msgspec", "numpy", "packaging", "typing_extensions", "uuid_utils")
"""The wheel's five dependencies, and what aiokafka needs."""
OWN_PACKAGES = ("schemas", "topology", "producers", "consumers", "infra")


def program_environment(folder: Path) -> Path:
    """Make the environment in `folder`; return its Python. Dependencies are links to those of this environment."""
    wheel = client_wheel.build(folder / "dist")
    venv.create(folder / "venv", symlinks=True)
    python = folder / "venv/bin/python"
    subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "--python", python, "install", "--no-index", "--no-deps", wheel],
        check=True,
    )
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "venv")}))
    for name in NEEDED:
        if (spec := importlib.util.find_spec(name)) is not None and spec.origin is not None:
            origin = Path(spec.origin)
            for source in (origin.parent, origin.parent.with_name(f"{name}.libs")) if spec.parent else (origin,):
                if source.exists():
                    (site / source.name).symlink_to(source)
    for name in OWN_PACKAGES:
        (site / name).mkdir()
        (site / name / "__init__.py").write_text("OWNER = 'somebody else'\n")
    return python
