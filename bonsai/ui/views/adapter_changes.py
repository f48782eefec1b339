"""What the adapter in use changes, as `python -m bonsai evaluate` measured it."""

from pathlib import Path

_SECTION = "\n## What the adapter changes\n"


def adapter_changes(report: Path, adapter: str) -> str:
    """Return that section of a report in Markdown; "" without a report, or if it is about other adapters.

    `adapter` is a hub id or folder; a report names adapters by the last parts of these.
    """
    text = report.read_text(encoding="utf-8") if report.is_file() else ""
    section = text.partition(_SECTION)[2].partition("\n## ")[0].strip()
    head = next((line for line in section.splitlines() if line.startswith("|")), "")
    return section if adapter and Path(adapter).name in [cell.strip() for cell in head.split("|")] else ""
