"""README and docs are held to the code: the list of files, the settings table, the help text, and every link."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from bonsai.cli.parser import parser
from bonsai.settings import ROOT, Settings, variable

VARIANTS = (ROOT / "docs" / "variants.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block_after(heading: str) -> str:
    section = README.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"```text\n(.*?)```", section, re.DOTALL)[-1]


def test_the_help_text_is_the_parsers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert block_after("Try it") == parser().format_help()


def test_the_settings_table_is_the_code() -> None:
    rows = [
        f"| `{variable(item.name)}` | {item.metadata['help']} | {shown(item.default)} |"
        for item in fields(Settings)
        if item.metadata
    ]
    table = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert [line for line in table.splitlines() if line.startswith("| `")] == rows


def shown(default: object) -> str:
    return f"`{getattr(default, 'name', default)}`" if default != "" else ""


def test_the_list_of_files_is_the_repository() -> None:
    listed = {line.split()[0].rstrip("/") for line in block_after("The files").splitlines() if line.startswith("  ")}
    entries = {entry.name for entry in (ROOT / "bonsai").iterdir() if not entry.name.startswith("__")}
    assert listed == entries


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 250


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))], ids=str
)
def test_every_link_leads_to_something(page: Path) -> None:
    places = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [place for place in places if not (page.parent / place).exists()] == []


def test_every_page_of_the_docs_can_be_found_from_the_readme() -> None:
    pages = {page.name for page in (ROOT / "docs").glob("*.md")}
    assert {page for page in pages if f"(docs/{page})" not in README} == set()


def test_the_space_header_is_complete() -> None:
    header = yaml.safe_load(README.split("---\n")[1])
    assert header["sdk"] == "gradio"
    assert header["python_version"] == "3.12"
    assert (ROOT / header["app_file"]).is_file()
    assert len(header["short_description"]) <= 60
    assert "microsoft/phi-2" in header["models"]


def test_the_example_variant_is_well_formed() -> None:
    from bonsai.chains.prompts import parse_variant

    example = re.findall(r"```yaml\n(.*?)```", VARIANTS, re.DOTALL)[0]
    assert parse_variant("example", example).persona == "You are a patient teacher."


def test_every_requirement_is_a_floor() -> None:
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9\[\]-]+>=[\d.]+(,<[\d.]+)?(; .+)?", line) for line in lines)
