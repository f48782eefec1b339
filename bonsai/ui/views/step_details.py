"""What the page tells about one step: its Reasoning, its question, and the candidates for the next one."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from bonsai.chains.chain import Chain
from bonsai.chains.guard import Candidate, aligned
from bonsai.chains.outcomes import CHANGE_BY_CHANCE, REASONING_TEST, Verdict
from bonsai.chains.step import Step
from bonsai.measures.reasoning import ReasoningState
from bonsai.measures.reasoning.effect import ReasoningTest
from bonsai.reports.sections import THOUGHT_NAMES
from bonsai.ui.locales.translate import translatable, translate
from bonsai.ui.views.table import html_row, html_table

REASONING = {
    ReasoningState.PRESENT: "There is a Reasoning of its own.",
    ReasoningState.EMPTY: "The model wrote no Reasoning.",
    ReasoningState.COPIED_FROM_QUESTION: "The Reasoning only repeats the question.",
    ReasoningState.COPIED_FROM_ANSWER: "The Reasoning only says what the answer says.",
    ReasoningState.TRUNCATED: "The Reasoning was cut at its most tokens.",
}


def details(chain: Chain, step: Step, language: str) -> str:
    """Return what there is to know of the question and the Reasoning of a step, as HTML in a language of the page."""
    return _panel([*_question(chain, step, language), *_reasoning(step, language), *_thoughts(step, language)])


def hint() -> str:
    """Return what stands in the place of `details` while no step is chosen."""
    return _panel([f'<p class="hint">{translatable("No step is chosen yet.")}</p>'])


def candidates(chain: Chain, step: Step, language: str) -> str:
    """Return the candidates for the next question with their verdicts, as HTML; "" if there were none."""
    if not step.candidates:
        return ""
    names = ("Next question", "Direction", "Verdict", "Similarity", "Closeness")
    rows = (
        _row(chain, step, candidate, verdict, language)
        for candidate, verdict in zip(step.candidates, verdicts(step, language), strict=True)
    )
    return _panel([_head("Candidates for the next question", language), _table(names, rows, language)])


def verdicts(step: Step, language: str) -> list[str]:
    """Return what became of each candidate of a step: the guard's verdict, or that it was taken."""
    taken = next((one for one in step.candidates if one.question and one.question == step.next_question), None)
    return [translate(language, "taken") if one is taken else _verdict(one, language) for one in step.candidates]


def _question(chain: Chain, step: Step, language: str) -> list[str]:
    head = _head("Question", language)
    if step.repeats is None:
        return [head, f"<p>{escape(step.question)}</p>"]
    sentence = translate(language, "This question repeats that of step {}.", step.repeats)
    place = translate(language, "Step {}", step.repeats)
    earlier = chain.steps[step.repeats - 1].question
    return [head, f"<p>{escape(sentence)}</p>", _side_by_side(step.question, earlier, place)]


def _reasoning(step: Step, language: str) -> list[str]:
    sentences = [translate(language, REASONING[step.reasoning_state])] if step.reasoning_state else []
    if step.reasoning_tries > 1:
        sentences.append(translate(language, "It was asked for {} times.", step.reasoning_tries))
    shown = [f"<p>{escape(' '.join(sentences))}</p>"] if sentences else []
    if step.reasoning_test:
        shown += _test(step.reasoning_test, language)
    return [_head("Reasoning", language), *shown] if shown else []


def _test(test: ReasoningTest, language: str) -> list[str]:
    """Return what the test of a Reasoning found, and the answers that it compared."""
    if not test.controls:
        without, shuffled = f"{test.change_without:.0%}", f"{test.change_shuffled:.0%}"
        result = translate(language, REASONING_TEST, without=without, shuffled=shuffled)
        answers = {"With it": test.answer, "Without it": test.answer_without, "Shuffled": test.answer_shuffled}
        return [f'<p class="result">{escape(result)}</p>', _texts(answers, language)]
    result = translate(language, CHANGE_BY_CHANCE, chance=f"{test.chance:.0%}")
    names = ("In place of the Reasoning", "More than chance", "Change", "p")
    rows = (
        (translate(language, one.control), translate(language, one.more_than_chance))
        + (f"{one.change:.0%}", f"{one.p_value:.2f}")
        for one in test.controls
    )
    answers = {"With it": test.answer} | {one.control: one.answer for one in test.controls}
    summary = escape(translate(language, "The first answer of each, of {} in all", test.answers))
    return [
        f'<p class="result">{escape(result)}</p>',
        _table(names, map(html_row, rows), language),
        f"<details><summary>{summary}</summary>{_texts(answers, language)}</details>",
    ]


def _texts(texts: Mapping[str, str], language: str) -> str:
    rows = (f"<dt>{escape(translate(language, name))}</dt><dd>{escape(text)}</dd>" for name, text in texts.items())
    return f'<dl class="texts">{"".join(rows)}</dl>'


def _table(names: Sequence[str], rows: Iterable[str], language: str) -> str:
    return html_table([translate(language, name) for name in names], rows, frame="frame")


def _thoughts(step: Step, language: str) -> list[str]:
    """Return what the model thought before its texts, each to be opened."""
    return [
        f"<details><summary>{escape(translate(language, THOUGHT_NAMES[one.role]))}</summary>"
        f'<p class="thought">{escape(one.text)}</p></details>'
        for one in step.thoughts
    ]


def _row(chain: Chain, step: Step, candidate: Candidate, verdict: str, language: str) -> str:
    shown = f"<p>{escape(candidate.question) or '—'}</p>"
    if candidate.repeats is not None:
        other = translate(language, "Step {}", candidate.repeats)
        shown = _side_by_side(candidate.question, chain.steps[candidate.repeats - 1].question, other)
    elif candidate.same_as is not None:
        other = translate(language, "Candidate {}", candidate.same_as)
        shown = _side_by_side(candidate.question, step.candidates[candidate.same_as - 1].question, other)
    kind = "accepted" if candidate.verdict == Verdict.ACCEPTED else "rejected"
    move, numbers = translate(language, candidate.move), (candidate.similarity, candidate.closeness)
    cells = [f"<td>{text}</td>" for text in (shown, escape(move))]
    cells += [f'<td class="verdict">{escape(verdict)}</td>', *(f"<td>{value:.2f}</td>" for value in numbers)]
    return f'<tr class="{kind}">{"".join(cells)}</tr>'


def _verdict(candidate: Candidate, language: str) -> str:
    if candidate.same_as is not None:
        return translate(language, "asks the same as candidate {}", candidate.same_as)
    if candidate.repeats is None:
        return translate(language, candidate.verdict)
    return translate(language, "repeats step {}", candidate.repeats)


def _side_by_side(question: str, other: str, place: str) -> str:
    """Return a question over another one, whose place is named, with what they share marked in both."""
    ours, theirs = aligned(question, other)
    return (
        f'<div class="aligned"><p>{_marked(ours)}</p>'
        f'<p class="other"><span class="place">{escape(place)}</span> {_marked(theirs)}</p></div>'
    )


def _marked(runs: Sequence[tuple[str, bool]]) -> str:
    return "".join(f"<mark>{escape(text)}</mark>" if shared else escape(text) for text, shared in runs)


def _head(name: str, language: str) -> str:
    return f"<h4>{escape(translate(language, name))}</h4>"


def _panel(parts: Sequence[str]) -> str:
    return f'<div class="bonsai-step">{"".join(parts)}</div>'
