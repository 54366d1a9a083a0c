"""What the pages that Firesteel writes have in common: their style sheet."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup


def style() -> Markup:
    """The style sheet, to stand inside a page's <style>."""
    return Markup(Path(__file__).with_name("page.css").read_text(encoding="utf-8"))
