"""Journals: what was kept is kept, whatever ended the writing, and nothing of it is written twice."""

import json
import resource
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bonsai.chains.advance import advance_each
from bonsai.chains.chain import Chain, stop
from bonsai.chains.prompts import load_variants
from bonsai.engines.base import SamplingParams
from bonsai.engines.echo import EchoEngine
from bonsai.errors import BonsaiError, RunFileError, UsageError
from bonsai.reports.exports import write_files
from bonsai.reports.formats import Format
from bonsai.reports.report import Report
from bonsai.runs.journal import Journal, begin_journal, open_journal, read_saved, resume_journal
from bonsai.runs.journal.progress import duration, record
from bonsai.runs.plan import Grid, Plan
from bonsai.runs.run import Run, dumps, loads
from bonsai.runs.run.verdicts import StepVerdict
from bonsai.settings import ROOT

VARIANTS = load_variants(ROOT / "prompts")
QUESTIONS = ("Why does rain smell?", "なぜ盆栽は小さいのですか", "Why does = \u2028 salt | keep\tfood?")
GRID = Grid(
    QUESTIONS, (VARIANTS["assistant"], VARIANTS["logician"]), ("two-step", "qtq"), seeds=(1, 2), length=3, candidates=2
)
PLAN = Plan(GRID, SamplingParams(max_new_tokens=40), "echo", "", "echo", "words")


def fill(journal: Journal, engine: EchoEngine | None = None, most: int = 10**6) -> int:
    """Let the journal's chains grow until `most` steps are kept, and return how many were."""
    kept = 0
    for _, chain in advance_each(engine or EchoEngine(), journal.unfinished(), journal.plan.sampling):
        kept += journal.append(chain)
        if kept >= most:
            break
    return kept


def plain(run: Run) -> list[Chain]:
    """Return the chains of a run without what the clock decides."""
    return [replace(chain, steps=tuple(replace(step, seconds=0) for step in chain.steps)) for chain in run.chains]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    """A journal that was filled without interruption."""
    journal = begin_journal(tmp_path_factory.mktemp("journal") / "j.jsonl", PLAN)
    fill(journal)
    return journal


def test_conclusions_are_written_later_and_kept(tmp_path: Path) -> None:
    journal = begin_journal(tmp_path / "j.jsonl", PLAN)
    fill(journal)
    before = plain(journal.run)
    wanted = journal.conclude()
    assert list(wanted) == [chain.number for chain in before if chain.method == "qtq"] and len(wanted) == 12
    assert journal.finished == 12
    concluding = list(journal.concluding())
    for place, chain in advance_each(EchoEngine(), concluding[:5], PLAN.sampling):
        assert chain.number == concluding[place].number and not journal.append(chain)
    assert journal.finished == 17
    # Stopped here: what is kept is kept, and the others lack theirs as before.
    found = open_journal(journal.file)
    assert found is not None and found.finished == 24
    assert [chain.number for chain in found if chain.conclusion] == list(wanted)[:5]
    assert [replace(chain, conclusion=None) for chain in plain(found.run)] == before
    assert list(found.conclude()) == list(wanted)[5:]


def test_a_saved_run_is_kept_with_the_conclusions_that_were_asked_for_later(tmp_path: Path) -> None:
    journal = begin_journal(tmp_path / "j.jsonl", PLAN)
    fill(journal)
    journal.conclude()
    for _, chain in advance_each(EchoEngine(), list(journal.concluding()), PLAN.sampling):
        journal.append(chain)
    again = begin_journal(tmp_path / "again.jsonl", PLAN)
    for chain in loads(dumps(journal.run)).chains:
        again.append(chain)
    assert plain(again.run) == plain(journal.run) and all(c.conclusion for c in again if c.method == "qtq")


def test_a_journal_holds_the_chains_of_its_plan(whole: Journal) -> None:
    assert len(whole) == len(GRID) == 3 * 2 * 2 * 2
    assert whole.finished == len(whole)
    assert [chain.number for chain in whole] == list(range(1, 25))
    expected = dict(advance_each(EchoEngine(), list(PLAN.chains()), PLAN.sampling))
    assert plain(whole.run) == plain(Run.of_plan(PLAN, [expected[place] for place in range(24)]))
    assert whole[-1] == whole[23] and whole[2:4] == [whole[2], whole[3]]
    with pytest.raises(IndexError):
        whole[24]


def test_what_is_compared_stands_together() -> None:
    grid = replace(GRID, adapters=("a", ""))
    chains = [grid.chain(number, "m") for number in range(1, len(grid) + 1)]
    assert [(chain.prompt.name, chain.model, chain.adapter) for chain in chains[:4]] == [
        ("assistant", "", ""),
        ("assistant", "m", ""),
        ("logician", "", ""),
        ("logician", "m", ""),
    ]
    assert [chain.method for chain in chains[3:5]] == ["two-step", "qtq"]
    assert [chain.seed for chain in chains[7:9]] == [1, 2]
    assert [chain.questions[0] for chain in chains[15:17]] == list(QUESTIONS[:2])


@pytest.mark.parametrize("steps", [0, 1, 2, 5, 17, 40])
def test_a_resumed_journal_ends_as_if_it_had_never_been_interrupted(tmp_path: Path, whole: Journal, steps: int) -> None:
    file = tmp_path / "j.jsonl"
    kept = fill(begin_journal(file, PLAN), most=steps) if steps else 0
    again = resume_journal(file, PLAN)
    assert again.steps == kept
    assert fill(again) == whole.steps - kept, "no finished step is written again"
    opened = open_journal(file)
    assert opened is not None
    assert plain(opened.run) == plain(whole.run) == plain(again.run)
    assert opened.run.id == whole.run.id


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 1))
def test_a_journal_cut_at_any_byte_is_resumed(tmp_path_factory: pytest.TempPathFactory, share: float) -> None:
    plan = replace(PLAN, grid=replace(GRID, questions=QUESTIONS[:2], seeds=(1,), methods=("qtq",), length=2))
    folder = tmp_path_factory.mktemp("cut")
    whole = begin_journal(folder / "whole.jsonl", plan)
    fill(whole)
    text = whole.file.read_bytes()
    cut = folder / "cut.jsonl"
    cut.write_bytes(text[: round(share * len(text))])
    journal = resume_journal(cut, plan)
    fill(journal)
    assert plain(journal.run) == plain(whole.run)
    assert cut.read_bytes().count(b"\n") == text.count(b"\n")


def test_every_setting_that_is_different_is_named(whole: Journal) -> None:
    other = Plan(
        replace(
            GRID,
            questions=(*QUESTIONS[:2], "Who?"),
            seeds=(1, 3),
            length=4,
            guarded=False,
            prompts=(VARIANTS["assistant"], replace(VARIANTS["logician"], persona="You are new.")),
        ),
        SamplingParams(max_new_tokens=50, temperature=0.7),
        "other",
        "a",
        "echo",
        "words",
    )
    before = whole.file.read_bytes()
    with pytest.raises(UsageError) as caught:
        resume_journal(whole.file, other)
    assert str(caught.value).splitlines()[1:] == [
        "  model: echo, now other",
        "  adapter: none, now a",
        "  max new tokens: 40, now 50",
        "  temperature: 0.3, now 0.7",
        f"  question 3: {QUESTIONS[2]!r}, now 'Who?' (3 questions, now 3)",
        "  prompt variant logician: another persona",
        "  seeds: 1 2, now 1 3",
        "  steps: 3, now 4",
        "  guarded: True, now False",
    ]
    assert whole.file.read_bytes() == before
    more = replace(PLAN, grid=replace(GRID, questions=(*QUESTIONS, "Who?"), prompts=(VARIANTS["creator"],)))
    assert PLAN.differences(more) == ["questions: 3, now 4", "prompt variants: assistant logician, now creator"]
    assert PLAN.differences(PLAN) == []


def test_a_journal_is_not_begun_over_a_file(whole: Journal, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="exists already; go on with its run by --resume"):
        begin_journal(whole.file, PLAN)
    with pytest.raises(RunFileError, match="none/j.jsonl cannot be written: No such file"):
        begin_journal(tmp_path / "none" / "j.jsonl", PLAN)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"a note of mine", "is not a journal"),
        (b"a note\nof mine\n", "is not a journal"),
        (b'{"format": 1, "chains": []}\n', "is not a journal; --journal names the file"),
        (b'{"kind": "bonsai journal", "format": 2, "plan": {}}\n', "has the format 2; this version reads format 1"),
        (
            b'{"kind": "bonsai journal", "format": 1, "plan": {}}\n',
            "is wrong. The key 'grid' is missing",
        ),
        (b"\x00\x01\x02", "is not a journal"),
    ],
)
def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path, data: bytes, sentence: str) -> None:
    file = tmp_path / "j.jsonl"
    file.write_bytes(data)
    with pytest.raises(BonsaiError, match=sentence):
        resume_journal(file, PLAN)
    assert file.read_bytes() == data


@pytest.mark.parametrize("damage", [b"{}\n", b"nothing\n", b'{"chain": 99, "step": {}, "stop_reason": ""}\n'])
def test_damage_in_the_midst_is_told_with_its_line(tmp_path: Path, whole: Journal, damage: bytes) -> None:
    lines = whole.file.read_bytes().splitlines(keepends=True)
    file = tmp_path / "j.jsonl"
    file.write_bytes(b"".join([*lines[:4], damage, *lines[5:]]))
    with pytest.raises(RunFileError, match="is damaged at line 5"):
        resume_journal(file, PLAN)


def test_a_stopped_chain_goes_on_when_it_is_resumed(tmp_path: Path) -> None:
    journal = begin_journal(tmp_path / "j.jsonl", PLAN)
    chains: dict[int, Chain] = {}
    for place, chain in advance_each(EchoEngine(), journal.unfinished(), PLAN.sampling):
        chains[place] = chain
        journal.append(chain)
        if journal.steps == 9:
            break
    ended = journal.finished
    assert sum(journal.append(stop(chain)) for chain in chains.values()) == 0
    assert (journal.steps, journal.finished) == (9, ended)


def test_failed_chains_begin_again_at_the_step_that_failed(tmp_path: Path, whole: Journal) -> None:
    journal = begin_journal(tmp_path / "j.jsonl", PLAN)
    fill(journal, EchoEngine(fail_on="rain smell?"))
    assert journal.failed == list(range(1, 9)), "all chains of the first question, and no other"
    assert journal.finished == 24
    resumed = resume_journal(journal.file, PLAN)
    assert resumed.failed == journal.failed and list(resumed.unfinished()) == []
    resumed.reopen(resumed.failed)
    assert fill(resumed) == 2 * 2 * 1 + 2 * 2 * 3
    assert resumed.failed == []
    assert plain(resumed.run) == plain(whole.run)
    opened = open_journal(journal.file)
    assert opened is not None and plain(opened.run) == plain(whole.run)


def test_a_chain_is_asked_again_alone_with_another_seed(tmp_path: Path, whole: Journal) -> None:
    file = tmp_path / "j.jsonl"
    file.write_bytes(whole.file.read_bytes())
    journal = resume_journal(file, PLAN)
    journal.restart_with_seed(4, 77)
    assert (journal.finished, journal.done) == (23, pytest.approx(23 / 24))
    assert [(chain.number, chain.seed, len(chain.steps)) for chain in journal.unfinished()] == [(4, 77, 1)]
    fill(journal)
    opened = open_journal(file)
    assert opened is not None
    for now in (journal, opened):
        assert (now.finished, now[3].seed) == (24, 77)
        assert now.run.id == loads(dumps(now.run)).id != whole.run.id
        assert plain(now.run)[:3] + plain(now.run)[4:] == plain(whole.run)[:3] + plain(whole.run)[4:]
        assert now[3].steps[0].answer != whole[3].steps[0].answer
    saved = loads(dumps(journal.run))
    assert saved.find_plan() == PLAN
    again = begin_journal(tmp_path / "again.jsonl", PLAN)
    for chain in saved.chains:
        again.append(chain)
    assert plain(again.run) == plain(journal.run)
    journal.restart_with_seed(4, 2)
    fill(journal)
    assert plain(journal.run)[3] != plain(again.run)[3]


def test_a_saved_run_is_the_start_of_a_journal(tmp_path: Path, whole: Journal) -> None:
    part = begin_journal(tmp_path / "part.jsonl", PLAN)
    fill(part, most=11)
    saved = loads(dumps(part.run))
    plan = saved.find_plan()
    assert plan == PLAN
    journal = begin_journal(tmp_path / "j.jsonl", plan)
    assert sum(map(journal.append, saved.chains)) == part.steps == 11
    fill(journal)
    assert plain(journal.run) == plain(whole.run)


def test_a_saved_run_says_its_plan_and_one_of_before_is_inferred(whole: Journal) -> None:
    data = json.loads(dumps(whole.run))
    assert loads(json.dumps(data)).plan == PLAN
    del data["plan"]
    old = loads(json.dumps(data))
    assert (old.plan, old.find_plan(), old.id) == (None, PLAN, whole.run.id)
    data["plan"] = {"grid": []}
    with pytest.raises(RunFileError, match="plan.grid is "):
        loads(json.dumps(data), "x.json")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"seconds": ', '"seconds": "x", "y": ', r"line 2. step.seconds is 'x'; it must be a number. Remove"),
        ('"answer": ', '"reply": ', r"line 2. The key 'reply' is unknown in step"),
        ('"chain": ', '"chains": ', r"line 2. The key 'chain' is missing in the file"),
        ('"questions": ', '"questions": 3, "q": ', "grid.questions is 3; it must be a list"),
    ],
)
def test_a_journal_is_checked_by_type(tmp_path: Path, whole: Journal, old: str, new: str, sentence: str) -> None:
    file = tmp_path / "j.jsonl"
    file.write_text(whole.file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(RunFileError, match=sentence):
        open_journal(file)


def test_a_run_with_branches_or_of_some_chains_is_of_no_plan(whole: Journal) -> None:
    assert Run.of_plan(PLAN, whole[:5]).find_plan() is None
    assert Run.of_plan(PLAN, []).find_plan() is None
    assert Run.of_plan(PLAN, [*whole[:3], replace(whole[3], parent=3), *whole[4:]]).find_plan() is None


@pytest.mark.parametrize(
    ("axis", "sentence"),
    [
        ({"questions": ()}, "No question is chosen"),
        ({"prompts": ()}, "No prompt variant is chosen"),
        ({"prompts": (VARIANTS["creator"],) * 2}, "The prompt variant creator is chosen twice"),
        ({"methods": ("single", "single")}, "The method single is chosen twice"),
        ({"seeds": (-1,)}, "seed is -1"),
    ],
)
def test_a_grid_that_cannot_be_is_refused(axis: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        replace(GRID, **axis)  # type: ignore[arg-type]


def test_a_journal_that_cannot_be_read_or_written_any_more_is_a_sentence(tmp_path: Path, whole: Journal) -> None:
    journal = begin_journal(tmp_path / "j.jsonl", PLAN)
    journal.file.unlink()
    journal.file.mkdir()
    with pytest.raises(RunFileError, match="cannot be written: Is a directory"):
        journal.append(whole[0])
    with pytest.raises(RunFileError, match="cannot be read"):
        list(journal)


def test_the_lines_of_a_journal_are_json(whole: Journal) -> None:
    head, *lines = [json.loads(line) for line in whole.file.read_text(encoding="utf-8").split("\n")[:-1]]
    assert head["plan"]["grid"]["questions"] == list(QUESTIONS)
    assert {(line["chain"], line["step"]["number"]) for line in lines} == {
        (chain.number, step.number) for chain in whole for step in chain.steps
    }


def test_the_texts_of_a_long_run_are_not_kept_in_memory(tmp_path: Path) -> None:
    # Texts that measures read are kept for a while; a Reasoning is not one of them.
    engine = EchoEngine(replies={"<|response|>": "So.", "": "word" * 5000})
    engine.info = replace(engine.info, max_batch_size=8)

    def peak(count: int) -> int:
        """Return the most memory that it takes to grow and draw so many chains, in bytes."""
        grid = Grid(tuple(f"Why {number}?" for number in range(count)), (VARIANTS["assistant"],), ("two-step",))
        journal = begin_journal(tmp_path / f"{count}.jsonl", replace(PLAN, grid=grid))
        tracemalloc.start()
        for progress in record(journal, advance_each(engine, journal.unfinished(), PLAN.sampling)):
            assert progress.chains == count
        files = {form: tmp_path / f"run{form.suffix}" for form in Format if form != Format.LLM_COMPARATOR}
        # A workbook takes long to write while memory is traced.
        del files[Format.STATISTICS], files[Format.XLSX]
        write_files(Report.of(journal.run), files)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert sum(file.stat().st_size for file in files.values()) > count * 4 * 20_000
        return most

    # The first fills what a process keeps once; from 60 on all buffers are full.
    _, few, many = peak(8), peak(60), peak(120)
    assert many - few < 2**19 < 60 * 20_000


def test_progress_counts_and_expects(tmp_path: Path) -> None:
    journal = begin_journal(tmp_path / "j.jsonl", PLAN)
    engine = EchoEngine(fail_on="rain smell?")
    engine.info = replace(engine.info, max_batch_size=5)
    told = list(record(journal, advance_each(engine, journal.unfinished(), PLAN.sampling)))
    assert (told[-1].finished, told[-1].failed, told[-1].chains, told[-1].expected) == (24, 8, 24, 0)
    assert sum(progress.kept for progress in told) == journal.steps
    assert [progress.finished for progress in told] == sorted(progress.finished for progress in told)
    half = next(progress for progress in told if progress.finished == 12)
    assert half.expected is not None and 0 < half.expected < 4 * half.seconds
    assert journal.done == 1
    again = resume_journal(journal.file, PLAN)
    assert (again.done, len(again.failed), again.finished) == (1, 8, 24)
    again.reopen(again.failed[:2])
    assert (len(again.failed), again.finished, again.done) == (6, 22, pytest.approx(22 / 24))
    first = next(record(again, advance_each(EchoEngine(), again.unfinished(), PLAN.sampling)))
    assert first.expected is None, "the pace of another run is not that of this one"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (3249, "54 min"), (7200, "2.0 h"), (39158, "10.9 h")],
)
def test_a_long_time_is_told_in_minutes_and_hours(seconds: float, told: str) -> None:
    assert str(duration(seconds)) == told


def test_a_conclusion_is_kept_and_written_after_an_interruption(tmp_path: Path) -> None:
    grid = Grid(
        ("Why does rain smell?", "Why does tea calm?"), (VARIANTS["assistant"],), ("qtq",), length=2, concludes=True
    )
    plan = replace(PLAN, grid=grid)
    whole = begin_journal(tmp_path / "whole.jsonl", plan)
    for _ in record(whole, advance_each(EchoEngine(), whole.unfinished(), plan.sampling)):
        pass
    assert all(chain.conclusion and chain.conclusion.text for chain in whole)
    # Cut before the first conclusion: all steps of that chain are there.
    lines = whole.file.read_bytes().splitlines(keepends=True)
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(b"".join(lines[: next(at for at, line in enumerate(lines) if b'"conclusion"' in line)]))
    again = resume_journal(cut, plan)
    assert again.finished == 0 and list(again.unfinished())[0].concluding
    for _ in record(again, advance_each(EchoEngine(), again.unfinished(), plan.sampling)):
        pass
    assert [(chain.questions, chain.conclusion.text) for chain in again if chain.conclusion] == [
        (chain.questions, chain.conclusion.text) for chain in whole if chain.conclusion
    ]
    assert again.finished == 2


def test_one_writer_at_a_time_and_readers_need_no_access(tmp_path: Path) -> None:
    file = tmp_path / "j.jsonl"
    first = begin_journal(file, PLAN)
    growing = record(first, advance_each(EchoEngine(), first.unfinished(), PLAN.sampling))
    next(growing)
    with pytest.raises(UsageError, match=r"j\.jsonl is being written by another command; wait until it ends"):
        resume_journal(file, PLAN)
    reader = open_journal(file)
    assert reader is not None
    with pytest.raises(UsageError, match="is being written by another command"):
        next(record(reader, advance_each(EchoEngine(), reader.unfinished(), PLAN.sampling)))
    growing.close()
    # The one that waited takes in what the other wrote meanwhile.
    for _ in record(reader, advance_each(EchoEngine(), reader.unfinished(), PLAN.sampling)):
        pass
    assert (reader.finished, reader.failed) == (len(PLAN.grid), [])
    again = resume_journal(file, PLAN)
    assert list(again) == list(reader)
    again.release()
    resume_journal(file, PLAN).release()
    file.chmod(0o444)
    assert list(read_saved(file).chains) == list(reader)


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    file = tmp_path / "j.jsonl"
    begin_journal(file, PLAN)
    script = (
        f"import fcntl, sys; f = open({str(file)!r}, 'r+b'); fcntl.flock(f, fcntl.LOCK_EX); print(1, flush=True); "
        "sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"1\n"
        with pytest.raises(UsageError, match="is being written by another command"):
            resume_journal(file, PLAN)
        other.kill()
    resume_journal(file, PLAN).release()


def test_a_journal_that_an_editor_saved_is_read_or_its_encoding_named(tmp_path: Path) -> None:
    file = tmp_path / "j.jsonl"
    journal = begin_journal(file, PLAN)
    for _ in record(journal, advance_each(EchoEngine(), journal.unfinished(), PLAN.sampling)):
        pass
    whole = list(journal)
    file.write_bytes(b"\xef\xbb\xbf" * 2 + file.read_bytes())
    assert list(read_saved(file).chains) == whole
    resumed = resume_journal(file, PLAN)
    assert list(resumed) == whole
    resumed.release()
    text = file.read_text(encoding="utf-8-sig")
    for data in (text.encode("utf-16"), text.encode("utf-16-le")):
        file.write_bytes(data)
        with pytest.raises(RunFileError, match=r"j\.jsonl is in UTF-16; save it in UTF-8"):
            resume_journal(file, PLAN)
        with pytest.raises(RunFileError, match="is in UTF-16; save it in UTF-8"):
            read_saved(file)


def test_a_folder_has_many_names_and_a_difference_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    names = [f"{tmp_path}/m", f"{tmp_path}/m/", f"{tmp_path}/./m", f"{tmp_path}/x/../m"]
    grid = replace(PLAN.grid, adapters=(names[0],))
    plan = replace(PLAN, model=names[0], adapter=names[0], grid=grid)
    for name in names:
        other = replace(plan, model=name, adapter=name, grid=replace(grid, adapters=(name,)))
        assert plan.differences(other) == []
    assert plan.differences(replace(plan, model=f"{tmp_path}/n")) == [f"model: {names[0]}, now {tmp_path}/n"]
    file = tmp_path / "j.jsonl"
    begin_journal(file, PLAN)
    with pytest.raises(UsageError, match="give those that it was begun with, or name another journal"):
        resume_journal(file, plan)


@pytest.mark.parametrize("more", [{"parent": 1, "shared": 1}, {}])
def test_chains_of_the_same_that_were_begun_one_by_one_are_of_no_plan(whole: Journal, more: dict[str, int]) -> None:
    first = whole[0]
    run = Run((first, replace(first, number=2, **more)), PLAN.sampling, "echo", "", "echo", "words")
    assert run.find_plan() is None


@pytest.mark.parametrize("room", [0, 9])
@pytest.mark.parametrize("held", [False, True])
def test_a_full_disk_is_a_sentence_and_harms_nothing(tmp_path: Path, whole: Journal, room: int, held: bool) -> None:
    journal = begin_journal(tmp_path / "j.jsonl", PLAN)
    fill(journal, most=1)
    if held:
        journal.lines.acquire()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal.file.stat().st_size + room, limits[1]))
    try:
        with pytest.raises(RunFileError, match="cannot be written: File too large"):
            fill(journal)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert journal.lines.held == held
    fill(journal)
    found = open_journal(journal.file)
    assert found is not None and plain(found.run) == plain(whole.run)


def test_damage_by_another_writer_is_told_with_its_line_and_nothing_is_written_behind_it(tmp_path: Path) -> None:
    journal = begin_journal(tmp_path / "j.jsonl", PLAN)
    fill(journal, most=1)
    with journal.file.open("ab") as other:
        other.write(b"{}\n")
    before = journal.file.read_bytes()
    for _ in range(2):
        with pytest.raises(RunFileError, match="is damaged at line 3"):
            journal.judge([StepVerdict.of(1, 1, "good")])
        assert not journal.lines.held
    assert journal.file.read_bytes() == before


def test_a_conclusion_that_failed_is_a_failure_and_can_be_asked_for_again(tmp_path: Path) -> None:
    grid = Grid(("Why does rain smell?",), (VARIANTS["assistant"],), ("qtq",), length=2, concludes=True)
    journal = begin_journal(tmp_path / "j.jsonl", replace(PLAN, grid=grid))
    fill(journal, EchoEngine(fail_on="Use only what is said above."))
    assert (journal.failed, journal.finished) == ([1], 1)
    assert journal[0].stop_reason == "done" and "told to fail" in journal[0].error
    again = resume_journal(journal.file, journal.plan)
    assert again.failed == [1]
    again.reopen(again.failed)
    assert (again.failed, again.finished) == ([], 0)
    assert fill(again) == 0, "no step is written again"
    assert (again.failed, again[0].error) == ([], "") and again[0].conclusion
