"""The summary of a run in a few lines, in English or Japanese: what was asked, and what came of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bonsai.chains.chain import Chain
from bonsai.chains.conclusion import conclusion_text
from bonsai.chains.outcomes import Flag, Judgement
from bonsai.chains.step import Step
from bonsai.reports.formats import Language
from bonsai.reports.summary.engine_notes import notes
from bonsai.runs.run import Run
from bonsai.runs.run.verdicts import StepVerdict

_MAX_NAMED = 3
_MAX_PLACES = 8
_NO_DEPTH = frozenset((Flag.TAUTOLOGY, Flag.CIRCULAR, Flag.NO_PROGRESS, Flag.OFF_TOPIC, Flag.ERROR, Flag.STOPPED))
_WITHOUT_REASONING = frozenset((Flag.NO_REASONING, Flag.COPIED_REASONING))

_JAPANESE = {
    "Summary": "まとめ",
    "Asked": "質問",
    "{} and {} more": "{} ほか {} 件",
    "Conclusion": "結論",
    "Written by": "書いたもの",
    "{}; method {}; prompt variant {}": "{}。方法 {}、プロンプト {}",
    "{} with the adapter {}": "{}（アダプター {}）",
    "; prompt format {}": "、プロンプト形式 {}",
    "Notes": "注意",
    "; seeds {}": "、シード {}",
    "; with and without the adapter": "、アダプターありとなし",
    "Finished": "完了",
    "chains {} of {}, steps {}": "連鎖 {} / {}、ステップ {}",
    "Flags": "フラグ",
    "none": "なし",
    "Most repeated questions": "繰り返しの多い質問",
    "{} ({})": "{}（{}）",
    "Reasoning missing or copied": "推論がないか写しになっているところ",
    "chain {}, step {}": "連鎖 {} のステップ {}",
    "Went deepest": "最も深く進んだ連鎖",
    "chain {}, {} steps that each add something: from {} to {}": (
        "連鎖 {}。新しい内容のあるステップが {} つ。「{}」から「{}」へ"
    ),
    "Failed": "失敗",
    "chain {}: {}": "連鎖 {}: {}",
    "Verdicts": "判定",
    "good {}, bad {}, pairs {}": "良い {}、悪い {}、比較した組 {}",
}


@dataclass
class Counts:
    """What a summary counts while the chains of a run pass by."""

    chains: int = 0
    finished: int = 0
    steps: int = 0
    flags: Counter[str] = field(default_factory=Counter)
    repeated: Counter[str] = field(default_factory=Counter)
    without: list[tuple[int, int]] = field(default_factory=list)
    failures: list[tuple[int, str]] = field(default_factory=list)
    conclusions: list[tuple[int, str]] = field(default_factory=list)
    deepest: tuple[int, float, int, str, str] = (0, 0.0, 0, "", "")

    def add(self, chain: Chain) -> None:
        """Count a chain."""
        self.chains += 1
        self.finished += chain.finished
        for step in chain.own_steps:
            if step.finished:
                self._add_step(chain, step)
        if chain.conclusion and chain.conclusion.text:
            self.conclusions.append((chain.number, conclusion_text(chain.conclusion)))
        if chain.conclusion and chain.conclusion.error:
            self.failures.append((chain.number, chain.conclusion.error))
        self.deepest = max(self.deepest, _depth(chain), key=lambda depth: (depth[0], depth[1], -depth[2]))

    def _add_step(self, chain: Chain, step: Step) -> None:
        self.steps += 1
        self.flags.update(step.flags)
        self.repeated.update(_repeats(chain, step))
        if _WITHOUT_REASONING & set(step.flags):
            self.without.append((chain.number, step.number))
        if step.error:
            self.failures.append((chain.number, step.error))


def summary(
    run: Run, counts: Counts, values: Mapping[str, Sequence[str]], language: Language = Language.EN
) -> list[tuple[str, str]]:
    """Return the summary of a run as (name, sentence) pairs, plain text in the language asked for.

    `values` are those of its axes.
    """
    model = run.model if not run.adapter else _say(language, "{} with the adapter {}", run.model, run.adapter)
    written = _say(
        language, "{}; method {}; prompt variant {}", model, _listed(values["method"]), _listed(values["prompt"])
    )
    if run.prompt_format:
        written += _say(language, "; prompt format {}", run.prompt_format)
    if len(values["adapter"]) > 1:
        written += _say(language, "; with and without the adapter")
    if len(values["seed"]) > 1:
        written += _say(language, "; seeds {}", _listed(values["seed"]))
    conclusion = "".join(text for _, text in counts.conclusions)
    lines = {
        "Asked": _first(language, values["question"]),
        "Conclusion": _of_chains(language, counts.conclusions) if counts.chains > 1 else conclusion,
        "Written by": written,
        "Notes": notes(run, values["question"], language),
        "Finished": _say(language, "chains {} of {}, steps {}", counts.finished, counts.chains, counts.steps),
        "Flags": _flags(language, counts.flags),
        "Most repeated questions": _repeated(language, counts.repeated),
        "Reasoning missing or copied": _places(language, counts.without),
        "Went deepest": _deepest(language, counts.deepest),
        "Failed": _of_chains(language, counts.failures),
        "Verdicts": _verdicts(language, run.verdicts),
    }
    return [(_say(language, name), text) for name, text in lines.items() if text]


def heading(language: Language) -> str:
    """Return the word for a summary."""
    return _say(language, "Summary")


def _repeats(chain: Chain, step: Step) -> list[str]:
    """Return the questions that a step repeats, or that its candidates would have repeated."""
    asked = {past.number: past.question for past in chain.steps}
    numbers = [step.repeats, *(candidate.repeats for candidate in step.candidates)]
    return [asked[number] for number in numbers if number in asked]


def _depth(chain: Chain) -> tuple[int, float, int, str, str]:
    """Return how many steps from its first on add something, how much on average, and where they lead."""
    good = []
    for step in chain.steps:
        if not step.finished or _NO_DEPTH & set(step.flags):
            break
        good.append(step)
    if not good:
        return (0, 0.0, chain.number, "", "")
    new = sum(step.new_content or 0.0 for step in good) / len(good)
    return (len(good), new, chain.number, good[0].question, good[-1].question)


def _flags(language: Language, flags: Counter[str]) -> str:
    named = [_say(language, "{} ({})", flag, count) for flag, count in flags.most_common()]
    return _listed(named) or _say(language, "none")


def _repeated(language: Language, repeated: Counter[str]) -> str:
    most = repeated.most_common(_MAX_NAMED)
    return " / ".join(_say(language, "{} ({})", question, f"{count}×") for question, count in most)


def _places(language: Language, places: Sequence[tuple[int, int]]) -> str:
    return _first(language, [_say(language, "chain {}, step {}", *place) for place in places], _MAX_PLACES, "; ")


def _of_chains(language: Language, found: Sequence[tuple[int, str]]) -> str:
    """Return the first texts that were found in chains, with the numbers of these."""
    return _first(language, [_say(language, "chain {}: {}", *one) for one in found])


def _verdicts(language: Language, verdicts: Sequence[StepVerdict]) -> str:
    if not verdicts:
        return ""
    counts = Counter(one.judgement for one in verdicts)
    pairs = sum(bool(one.beside) for one in verdicts)
    return _say(language, "good {}, bad {}, pairs {}", counts[Judgement.GOOD], counts[Judgement.BAD], pairs)


def _deepest(language: Language, deepest: tuple[int, float, int, str, str]) -> str:
    steps, _, number, first, last = deepest
    if steps < 2:
        return ""
    return _say(language, "chain {}, {} steps that each add something: from {} to {}", number, steps, first, last)


def _first(language: Language, texts: Sequence[str], most: int = _MAX_NAMED, between: str = " / ") -> str:
    shown = between.join(texts[:most])
    return shown if len(texts) <= most else _say(language, "{} and {} more", shown, f"{len(texts) - most:,}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)


def _say(language: Language, sentence: str, *parts: object) -> str:
    return (_JAPANESE[sentence] if language == Language.JA else sentence).format(*parts)
