"""Writes the pages of benchmarks, and their charts beside them."""

from pathlib import Path
from typing import Iterable

import charts

#: The folder of the charts, seen from a page.
IMAGES = "images/"


def check(page: Path) -> None:
    """Raises an error if the page could not be written, or its charts not drawn."""
    if not charts.available():
        raise RuntimeError(charts.MISSING)
    page.parent.mkdir(parents=True, exist_ok=True)
    with page.open("a"):
        pass
    if page.stat().st_size == 0:
        page.unlink()


def notes_of(page: Path) -> str:
    """The page by hand beside this one; empty: there is none."""
    notes = f"{page.stem}-notes.md"
    return notes if (page.parent / notes).exists() else ""


def shown(image: charts.Image) -> str:
    """The line of a page that shows the image."""
    return f"![{image.title}]({IMAGES}{image.file})\n"


def section_of(images: Iterable[charts.Image]) -> str:
    """The section "Charts"; empty: there are none."""
    parts = [f"\n{image.title}:\n\n{shown(image)}" for image in images]
    return "\n## Charts\n" + "".join(parts) if parts else ""


def write(page: Path, text: str, images: Iterable[charts.Image]) -> None:
    """Writes the page, and the charts into images/ beside it."""
    folder = page.parent / IMAGES
    folder.mkdir(parents=True, exist_ok=True)
    for image in images:
        (folder / image.file).write_text(image.svg)
    page.write_text(text)
