"""`python -m schemas.codec.build`: compiles flat.c beside itself where there is a C compiler; needs about a second.

Without one nothing happens, and messages are read and written by the generated Python. `make` runs it for .venv; in an
installed wheel anybody may. Always ends with 0: a codec that cannot be built is slower, not wrong.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Final

from schemas.codec.source import SOURCE, digest

TARGET: Final = SOURCE.with_name(f"_flat{sysconfig.get_config_var('EXT_SUFFIX')}")


def build() -> str:
    """Compile, if that is possible; return one line about what came of it."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    headers = sysconfig.get_paths()["include"]
    if compiler is None or not Path(headers, "Python.h").exists():
        missing = "a C compiler" if compiler is None else f"Python.h in {headers}"
        return f"Message codec: Python (there is no {missing}, which the faster one needs)"
    with tempfile.TemporaryDirectory(dir=SOURCE.parent) as folder:
        half = Path(folder) / TARGET.name
        command = [*shlex.split(compiler), *_flags(), f"-I{headers}", str(SOURCE), "-o", str(half)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            return f"Message codec: Python ({shlex.join(command)} ended with {done.returncode}):\n{done.stdout}"
        half.replace(TARGET)  # whoever has the old one loaded keeps it
    return "Message codec: C"


def _flags() -> list[str]:
    shared = ["-bundle", "-undefined", "dynamic_lookup"] if sys.platform == "darwin" else ["-shared"]
    return [
        "-O2",
        "-fPIC",
        "-Wall",
        "-Wextra",
        "-Wno-missing-field-initializers",
        f'-DSOURCE_DIGEST="{digest()}"',
        *shared,
    ]


if __name__ == "__main__":
    sys.stderr.write(build() + "\n")
