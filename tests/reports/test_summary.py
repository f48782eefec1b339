"""The summary: what a reader wants to know first, in few lines, in English and Japanese."""

from dataclasses import replace

from bonsai.chains.advance import advance
from bonsai.chains.chain import new_chain
from bonsai.chains.guard import Candidate
from bonsai.chains.outcomes import Verdict
from bonsai.chains.prompts import load_variants
from bonsai.engines.base import SamplingParams
from bonsai.engines.echo import EchoEngine
from bonsai.reports.formats import Language
from bonsai.reports.report import Report, ReportOptions
from bonsai.reports.summary import _JAPANESE
from bonsai.runs.run import Run
from bonsai.settings import ROOT, SMOLLM2

VARIANT = load_variants(ROOT / "prompts")["assistant"]
QUESTIONS = ("Why does rain smell?", "Why do we sleep?", "Why is salt white?", "Why do cats purr?", "Who sings?")


def run_of(*lengths: int, engine: EchoEngine | None = None) -> Run:
    chains = [
        new_chain(question, "qtq", VARIANT, number=number, length=length, candidates=2)
        for number, (question, length) in enumerate(zip(QUESTIONS, lengths, strict=False), start=1)
    ]
    *_, grown = advance(engine or EchoEngine(), chains, SamplingParams())
    return Run(grown, SamplingParams(), "small", "some/adapter", "echo")


def summary(run: Run, language: Language = Language.EN) -> list[tuple[str, str]]:
    return list(Report.of(run, ReportOptions(language)).summary)


def test_what_was_asked_and_what_came_of_it() -> None:
    told = dict(summary(run_of(1, 3, 2, 1, 1)))
    assert told["Asked"] == "Why does rain smell? / Why do we sleep? / Why is salt white? and 2 more"
    assert told["Written by"] == "small with the adapter some/adapter; method qtq; prompt variant assistant"
    assert told["Finished"] == "chains 5 of 5, steps 8"
    assert told["Flags"] == "none"
    deepest = run_of(1, 3).chains[1].questions[-1]
    assert told["Went deepest"] == (f"chain 2, 3 steps that each add something: from Why do we sleep? to {deepest}")
    assert not {"Reasoning missing or copied", "Failed"} & told.keys()
    assert "Most repeated questions" not in dict(summary(run_of(2, 1, 1)))


def test_missing_reasoning_repeats_and_failures_are_named_with_their_places() -> None:
    run = run_of(1, 2, 1, engine=EchoEngine(fail_on="salt", replies={"rain smell?\n<|reasoning|>": ""}))
    repeats = tuple(Candidate(QUESTIONS[1], Verdict.REPEATS, seed, repeats=1) for seed in (1, 2))
    second = run.chains[1]
    flagged = replace(second.steps[1], repeats=1, candidates=repeats).flagged("tautology")
    chains = (run.chains[0], replace(second, steps=(second.steps[0], flagged)), run.chains[2])
    told = dict(summary(run.with_chains(chains)))
    assert told["Reasoning missing or copied"] == "chain 1, step 1"
    assert told["Most repeated questions"] == f"{QUESTIONS[1]} (3×)"
    assert told["Failed"] == "chain 3: The echo engine was told to fail on this prompt."
    assert told["Flags"] == "no-reasoning (1), not-a-question (1), tautology (1), error (1)"
    assert "Went deepest" not in told, "no chain has two steps that add something"


def test_a_run_under_way_and_one_of_nothing_have_a_summary() -> None:
    run = Run((new_chain("Why?", "single", VARIANT),), SamplingParams(), "m", "", "echo")
    assert dict(summary(run))["Finished"] == "chains 0 of 1, steps 0"
    assert dict(summary(run.with_chains([])))["Finished"] == "chains 0 of 0, steps 0"


def test_the_model_in_the_box_is_said_to_read_english_only_where_it_was_asked_in_another_script() -> None:
    english, japanese = (
        Run((new_chain(question, "single", VARIANT),), SamplingParams(), SMOLLM2, "", "echo")
        for question in (QUESTIONS[0], "なぜ雨は匂うのですか。")
    )
    assert "Notes" not in dict(summary(english))
    assert "reads English only" in dict(summary(japanese))["Notes"]
    assert "英語しか読めません" in dict(summary(japanese, Language.JA))["注意"]
    assert "Notes" not in dict(summary(replace(japanese, model="another/model")))


def test_the_summary_in_japanese_has_the_same_places() -> None:
    run = run_of(2, 3)
    english, japanese = summary(run), summary(run, Language.JA)
    assert [name for name, _ in japanese] == [_JAPANESE[name] for name, _ in english]
    assert dict(japanese)["完了"] == "連鎖 2 / 2、ステップ 5"
    assert all(template.count("{}") == key.count("{}") for key, template in _JAPANESE.items())


def test_the_conclusion_stands_at_the_head_and_after_the_steps() -> None:
    chain = new_chain("Why does rain smell?", "qtq", VARIANT, length=2)
    engine = EchoEngine(replies={"Use only what is said above.": "Soil gives off oils. How long?"})
    *_, (chain,) = advance(engine, [replace(chain, concludes=True)], SamplingParams())
    run = Run((chain,), SamplingParams(), "echo", "", "echo")
    assert dict(Report.of(run).summary)["Conclusion"].startswith("Soil gives off oils. How long?")
    (told,) = Report.of(run).chains()
    assert told.sections[-1].parts[:2] == (("Conclusion", "Soil gives off oils."), ("Stays open", "How long?"))
    assert [row["conclusion"] for row in told.rows] == ["", "Soil gives off oils. How long?"]


def test_a_conclusion_that_could_not_be_written_is_a_failure() -> None:
    chain = replace(new_chain("Why does rain smell?", "qtq", VARIANT), concludes=True)
    *_, grown = advance(EchoEngine(fail_on="Use only what is said above."), [chain], SamplingParams())
    told = dict(summary(Run(grown, SamplingParams(), "echo", "", "echo")))
    assert told["Failed"] == "chain 1: The echo engine was told to fail on this prompt."
