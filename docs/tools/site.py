"""The documents as a website: `python -m docs.tools.site FOLDER`. Plain HTML and one style sheet, nothing from a network."""

from __future__ import annotations

import html
import itertools
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Final, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

from docs.tools import asyncapi_page

ROOT: Final = Path(__file__).parents[2]
CHAPTERS: Final = {
    "": ("README.md", "ARCHITECTURE.md", "CHANGELOG.md"),
    "Guides": ("docs/guides/*.md",),
    "Other languages": ("docs/clients/README.md", "docs/clients/*/README.md"),
    "Reference": (
        "docs/reference/*.md",
        "docs/reference/asyncapi.yaml",
        "docs/guarantees.md",
        "docs/benchmarks.md",
        "docs/testing.md",
    ),
    "Pictures": ("docs/diagrams/*.md",),
    "Internals": ("docs/internals/*.md",),
    "Decisions": ("docs/decisions/*.md",),
}
STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --dim: #8888; }
body { margin: 0; font: 16px/1.55 system-ui, sans-serif; display: grid; grid-template-columns: 17rem minmax(0, 1fr); }
nav { padding: 1rem; border-right: 1px solid var(--line); font-size: 14px; height: 100vh; overflow: auto; position: sticky;
  top: 0; box-sizing: border-box; }
nav h2 { font-size: 13px; margin: 1rem 0 .3rem; color: gray; } nav ul { list-style: none; margin: 0; padding: 0; }
nav a { text-decoration: none; } nav a[aria-current] { font-weight: 700; }
main { padding: 1rem 2rem 4rem; max-width: 60rem; box-sizing: border-box; }
pre { overflow: auto; padding: .8rem; border: 1px solid var(--line); border-radius: 6px; } code { font-size: .92em; }
table { border-collapse: collapse; display: block; overflow: auto; } th, td { border: 1px solid var(--line);
  padding: .25rem .6rem; text-align: left; vertical-align: top; } img { max-width: 100%; }
details { margin: .6rem 0; } summary { cursor: pointer; } .value { white-space: pre-wrap; overflow-wrap: anywhere; }
h3 small { font-weight: 400; color: gray; margin-left: .5rem; }
@media (max-width: 800px) { body { display: flex; flex-direction: column-reverse; } main { padding: 1rem; max-width: 100vw; }
  nav { position: static; height: auto; border: 0; } }
"""
_ARROW: Final = re.compile(r"^\s*([\w.\[\]*]+) (-->|-\.->)\s*(?:\|\"?(.*?)\"?\|)?\s*([\w.\[\]*]+)(?:: (.*))?$")


class Page(NamedTuple):
    """One document: where it is, where its page goes, and its title."""

    source: Path
    target: Path
    title: str


def main() -> int:
    """Write the site into the folder of the command line; return the exit status."""
    folder = Path(sys.argv[1])
    chapters = {
        name: [_page(path) for pattern in patterns for path in _files_matching(pattern)]
        for name, patterns in CHAPTERS.items()
    }
    pages = [page for chapter in chapters.values() for page in chapter]
    targets = {page.source: page.target for page in pages}
    renderer = MarkdownIt("commonmark", {"highlight": _highlight}).enable("table")
    for page in pages:
        target = folder / page.target
        target.parent.mkdir(parents=True, exist_ok=True)
        text = page.source.read_text(encoding="utf-8")
        if page.source.suffix == ".yaml":
            (target.parent / page.source.name).write_text(text, encoding="utf-8")
            body = asyncapi_page.body(text, page.source.name)
        else:
            tokens = renderer.parse(text)
            _link(tokens, page, targets)
            _anchor(tokens)
            body = renderer.renderer.render(tokens, renderer.options, {})
        target.write_text(_document(page, body, chapters), encoding="utf-8")
    for picture in _files_matching("docs/pictures/*.webp"):
        target = folder / picture.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(picture, target)
    sys.stdout.write(f"{len(pages)} pages in {folder}/index.html\n")
    return 0


def _files_matching(pattern: str) -> list[Path]:
    return sorted(path for path in ROOT.glob(pattern) if path.is_file())


def _page(path: Path) -> Page:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".yaml":
        title = asyncapi_page.title(text)
    else:
        title = next((line[2:] for line in text.splitlines() if line.startswith("# ")), path.stem)
    relative = path.relative_to(ROOT)
    target = Path("index.html") if relative == Path("README.md") else relative.with_suffix(".html")
    return Page(path, target, title)


def _link(tokens: list[Token], page: Page, targets: dict[Path, Path]) -> None:
    """Let links between documents lead to their pages; a link to any other file stays as it is, as text."""
    for token in tokens:
        if token.children:
            _link(token.children, page, targets)
        if token.type != "link_open":
            continue
        href, _, anchor = str(token.attrs["href"]).partition("#")
        if not href or "://" in href:
            continue
        target = targets.get((page.source.parent / href).resolve())
        if target is not None:
            relative = os.path.relpath(target, page.target.parent)
            token.attrs["href"] = f"{relative}#{anchor}" if anchor else relative


def _anchor(tokens: list[Token]) -> None:
    """Give each heading the id that links to it use, as the usual hosts of repositories do."""
    for token, content in itertools.pairwise(tokens):
        if token.type == "heading_open":
            token.attrs["id"] = re.sub(r"[^\w -]", "", content.content.lower()).replace(" ", "-")


def _highlight(code: str, language: str, _: str) -> str:
    """Return a diagram as a list of its arrows, and nothing for other code, which is shown as it is."""
    if language != "mermaid":
        return ""
    rows = [match.groups() for line in code.splitlines() if (match := _ARROW.match(line))]
    arrows = [
        f"{source} {'--&gt;' if arrow == '-->' else '..&gt;'} {target}  {html.escape(re.sub(r'<br/>', ' ', above or after or ''))}"
        for source, arrow, above, target, after in rows
    ]
    return "<pre>" + "\n".join(arrows) + "</pre>"


def _document(page: Page, body: str, chapters: dict[str, list[Page]]) -> str:
    sections = []
    for name, pages in chapters.items():
        items = "".join(_item(each, page) for each in pages)
        sections.append(f"{f'<h2>{name}</h2>' if name else ''}<ul>{items}</ul>" if pages else "")
    title = html.escape(page.title)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>'
        f"<body><nav>{''.join(sections)}</nav><main>{body}</main></body></html>\n"
    )


def _item(each: Page, page: Page) -> str:
    current = ' aria-current="page"' if each == page else ""
    href = os.path.relpath(each.target, page.target.parent)
    return f'<li><a href="{href}"{current}>{html.escape(each.title)}</a></li>'


if __name__ == "__main__":
    sys.exit(main())
