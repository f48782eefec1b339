"""What About says of the adapter in use: only what was measured with it."""

from pathlib import Path

from bonsai.ui.tabs import adapter_changes

REPORT = """# The faults, measured

## What the adapter changes

Asked by qtq.

| figure | wanted | model alone | habits | habits less model alone |
| --- | --- | --- | --- | --- |
| Reasoning present |  | 60% (50 to 70) | 99% (97 to 100) | +39 (+30 to +49) |

## Ten chains

Long.
"""


def test_only_a_report_on_the_adapter_in_use_is_shown(tmp_path: Path) -> None:
    report = tmp_path / "faults.md"
    assert adapter_changes(report, "habits") == ""
    report.write_text(REPORT, encoding="utf-8")
    shown = adapter_changes(report, "/somewhere/habits")
    assert shown.startswith("Asked by qtq.") and shown.endswith("|") and "Long." not in shown
    assert adapter_changes(report, "other") == adapter_changes(report, "") == ""
