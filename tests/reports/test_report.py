"""The report of a long run: computed in one pass over it, and written to all files in another."""

from pathlib import Path

import pytest

from bonsai.errors import UsageError
from bonsai.reports.exports import export, write_files
from bonsai.reports.formats import Format
from bonsai.reports.report import Report, ReportOptions
from tests.runs.journals import counted_passes, finished_journal

FILES = {form: Path(f"run{form.suffix}") for form in Format if form != Format.QUESTIONS}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


def test_a_journal_is_read_once_for_the_report_and_once_for_all_its_files(folder: Path) -> None:
    run = finished_journal(folder / "short.jsonl", 20).run
    with counted_passes() as passes:
        report = Report.of(run, ReportOptions(rows=10, side_by_side=True))
        assert len(passes) == 1
        write_files(report, {form: folder / file for form, file in FILES.items()})
        assert len(passes) == 2
    assert (len(report.rows), report.axis, len(dict(report.summary))) == (10, "prompt", 4)
    # A workbook says when it was made.
    assert (folder / FILES[Format.XLSX]).read_bytes().startswith(b"PK")
    for form, file in FILES.items():
        if form != Format.XLSX:
            assert (folder / file).read_bytes().decode() == "".join(map(str, export(run, form)))


def test_files_take_the_place_of_those_before_them_and_none_is_left_half_written(folder: Path) -> None:
    target = folder / "table.csv"
    target.write_text("old")
    report = Report.of(finished_journal(folder / "one.jsonl", 1).run.with_chains(()))
    with pytest.raises(UsageError, match="no statistics"):
        write_files(report, {Format.CSV: target, Format.STATISTICS: folder / "none.csv"})
    assert target.read_text() == "old"
    write_files(report, {Format.CSV: target})
    assert target.read_text(encoding="utf-8-sig").startswith("run,chain")
    assert not [file for file in folder.iterdir() if file.name.startswith(".")]
