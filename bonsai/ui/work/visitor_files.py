"""The shelf: what a visitor made is kept for some hours in folders whose names nobody guesses."""

import re
import secrets
from pathlib import Path

from gradio.components import Component
from gradio.utils import get_upload_folder

JOURNAL = "journal.jsonl"
# The token of a visitor who has nothing there.
NO_TOKEN = "-"


def new_folder() -> Path:
    """Return a new folder; its name is the token by which its visitor finds it again."""
    # In Gradio's own cache: there a file is served without another copy.
    folder = Path(get_upload_folder()) / secrets.token_hex(16)
    folder.mkdir(parents=True)
    return folder


def find(token: str | None) -> Path | None:
    """Return the folder of a token, or None if it is none or its time is over."""
    if not token or not re.fullmatch("[0-9a-f]{32}", token):
        return None
    folder = Path(get_upload_folder()) / token
    return folder if folder.is_dir() else None


def forget_later(file: Path, component: Component) -> None:
    """Let Gradio delete a file when it was not changed for some hours, as those that `component` hands out."""
    component.temp_files.add(str(file))
