"""Show every setting, as this process reads it."""

from __future__ import annotations

from typing import Final

from rich.text import Text

from infra.base.settings import PREFIX, Settings
from infra.cli.output import AsJson, print_json, quiet_settings, stdout
from schemas.codec.native import IN_USE

_CODECS: Final = {
    "c": "C (schemas/codec/flat.c)",
    "python": "Python; with a C compiler `python -m schemas.codec.build` builds the faster codec",
}


def config(*, as_json: AsJson = False) -> None:
    """Show every setting with its value here; passwords are starred out. Set one through its variable."""
    settings = quiet_settings()
    if as_json:
        print_json(settings.public() | {"codec_in_use": IN_USE})
        return
    console = stdout()
    for name, value in settings.public().items():
        shown = Text("unset" if value in {None, ""} else str(value))
        shown.stylize("bold" if name in settings.model_fields_set else "dim")
        console.print(Text.assemble(PREFIX + name.upper(), "  ", shown))
        console.print(Text(f"    {Settings.model_fields[name].description or ''}", "dim"))
    console.print(f"\nMessages are encoded and decoded by {_CODECS[IN_USE]}.")
