"""What the page tells about one step: its Reasoning, its question, and the candidates for the next one."""

from collections.abc import Sequence
from html import escape

from bonsai.chains.chain import Chain
from bonsai.chains.guard import ACCEPTED, Candidate, aligned
from bonsai.chains.step import Step
from bonsai.measures.reasoning import COPIED_FROM_ANSWER, COPIED_FROM_QUESTION, EMPTY, PRESENT, TRUNCATED
from bonsai.ui.locales.translate import say, t

REASONING = {
    PRESENT: "There is a Reasoning of its own.",
    EMPTY: "The model wrote no Reasoning.",
    COPIED_FROM_QUESTION: "The Reasoning only repeats the question.",
    COPIED_FROM_ANSWER: "The Reasoning only says what the answer says.",
    TRUNCATED: "The Reasoning was cut at its most tokens.",
}


def details(chain: Chain, step: Step, tongue: str) -> str:
    """Return what there is to know about the question and the Reasoning of a step, as HTML in the language `tongue`."""
    return _panel([*_question(chain, step, tongue), *_reasoning(step, tongue)])


def hint() -> str:
    """Return what stands in the place of `details` while no step is chosen."""
    return _panel([f'<p class="hint">{t("No step is chosen yet.")}</p>'])


def candidates(chain: Chain, step: Step, tongue: str) -> str:
    """Return the candidates for the next question with their verdicts, as HTML; "" if there were none."""
    if not step.candidates:
        return ""
    names = ("Next question", "Verdict", "Similarity", "Closeness")
    heads = "".join(f"<th>{escape(say(tongue, name))}</th>" for name in names)
    rows = "".join(
        _row(chain, candidate, verdict, tongue)
        for candidate, verdict in zip(step.candidates, verdicts(step, tongue), strict=True)
    )
    table = f'<div class="frame"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    return _panel([_head("Candidates for the next question", tongue), table])


def verdicts(step: Step, tongue: str) -> list[str]:
    """Return what became of each candidate of a step: the guard's verdict, or that it was taken."""
    taken = next((one for one in step.candidates if one.question and one.question == step.next_question), None)
    return [say(tongue, "taken") if one is taken else _verdict(one, tongue) for one in step.candidates]


def _question(chain: Chain, step: Step, tongue: str) -> list[str]:
    head = _head("Question", tongue)
    if step.repeats is None:
        return [head, f"<p>{escape(step.question)}</p>"]
    sentence = say(tongue, "This question repeats that of step {}.", step.repeats)
    return [head, f"<p>{escape(sentence)}</p>", _side_by_side(step.question, chain.steps[step.repeats - 1], tongue)]


def _reasoning(step: Step, tongue: str) -> list[str]:
    sentences = [say(tongue, REASONING[step.reasoning_state])] if step.reasoning_state in REASONING else []
    if step.reasoning_tries > 1:
        sentences.append(say(tongue, "It was asked for {} times.", step.reasoning_tries))
    shown = [f"<p>{escape(' '.join(sentences))}</p>"] if sentences else []
    if (test := step.reasoning_test) is not None:
        changes = (f"{test.change_without:.0%}", f"{test.change_shuffled:.0%}")
        result = say(tongue, "Without it the answer changes by {}, with its words shuffled by {}.", *changes)
        answers = {"With it": test.answer, "Without it": test.answer_without, "Shuffled": test.answer_shuffled}
        rows = "".join(f"<dt>{escape(say(tongue, name))}</dt><dd>{escape(text)}</dd>" for name, text in answers.items())
        shown += [f'<p class="result">{escape(result)}</p><dl class="texts">{rows}</dl>']
    return [_head("Reasoning", tongue), *shown] if shown else []


def _row(chain: Chain, candidate: Candidate, verdict: str, tongue: str) -> str:
    shown = f"<p>{escape(candidate.question) or '—'}</p>"
    if candidate.repeats is not None:
        shown = _side_by_side(candidate.question, chain.steps[candidate.repeats - 1], tongue)
    kind = "accepted" if candidate.verdict == ACCEPTED else "rejected"
    numbers = "".join(f"<td>{value:.2f}</td>" for value in (candidate.similarity, candidate.closeness))
    return f'<tr class="{kind}"><td>{shown}</td><td>{escape(verdict)}</td>{numbers}</tr>'


def _verdict(candidate: Candidate, tongue: str) -> str:
    if candidate.repeats is None:
        return say(tongue, candidate.verdict)
    return say(tongue, "repeats step {}", candidate.repeats)


def _side_by_side(question: str, step: Step, tongue: str) -> str:
    """Return a question over the question of a step, with what they share marked in both."""
    ours, theirs = aligned(question, step.question)
    other = escape(say(tongue, "Step {}", step.number))
    return (
        f'<div class="aligned"><p>{_marked(ours)}</p>'
        f'<p class="other"><span class="place">{other}</span> {_marked(theirs)}</p></div>'
    )


def _marked(runs: Sequence[tuple[str, bool]]) -> str:
    return "".join(f"<mark>{escape(text)}</mark>" if shared else escape(text) for text, shared in runs)


def _head(name: str, tongue: str) -> str:
    return f"<h4>{escape(say(tongue, name))}</h4>"


def _panel(parts: Sequence[str]) -> str:
    return f'<div class="bonsai-step">{"".join(parts)}</div>'
