"""The card of an adapter: what it was trained on and how, what came of it, and what it cannot do."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from string import Template

from bonsai.lab.records import Record
from bonsai.lab.training.hyperparameters import Hyperparameters
from bonsai.lab.training.loop import State

CURVE = "loss.svg"
_CARD = Template(
    """---
base_model: $base
library_name: peft
pipeline_tag: text-generation
tags: [lora, bonsai, question-chains]
---

# A Bonsai adapter for $base

A LoRA adapter that lets the model write its Reasoning before it answers, answer in a few sentences, ask a question
that goes deeper, and stop. It was trained with `python -m bonsai train`.

## Data

$records, $held_out of them held out by question, to measure with. $fields
Moves of the next questions: $moves.

## Training

Prompts: the variant $prompts in the format `$form`. Only what the model is to write was trained, each text with its
end mark.

| setting | value |
|---|---|
$settings

## Figures

$figures

![Loss over the steps]($curve)

## Use

    python -m bonsai ask "Why do cities need forests?" --model $base --adapter FOLDER

## Limits

It learnt how to answer, not what is true: facts come from the base, and a small base often has them wrong. It was
trained in the language of its records, for answers of a few sentences. Loss on held-out questions says how well it
writes like the records, not whether what it writes is right.
"""
)


def card(
    base: str,
    form: str,
    prompts: Sequence[str],
    records: Sequence[Record],
    held_out: int,
    how: Hyperparameters,
    state: State,
) -> str:
    """Return the model card of an adapter (Markdown, as the hub reads it)."""
    moves = Counter(following.move or "none named" for record in records for following in record.next_questions)
    fields = sorted({record.field for record in records} - {""})
    return _CARD.substitute(
        base=base,
        records=f"{len(records):,} records",
        held_out=f"{held_out:,}",
        fields=f"{len(fields)} fields: {', '.join(fields)}." if fields else "",
        moves=", ".join(f"{move} {count / moves.total():.0%}" for move, count in moves.most_common()) or "none",
        prompts=" and ".join(f"`{name}`" for name in prompts),
        form=form,
        settings="\n".join(f"| {name.replace('_', ' ')} | {_value(value)} |" for name, value in asdict(how).items()),
        figures=_figures(state),
        curve=CURVE,
    )


def _figures(state: State) -> str:
    lines = [
        f"{state.step:,} steps in {state.seconds / 60:,.0f} minutes; loss (nats a token) of the last steps "
        f"{state.points[-1].loss:.3f}."
    ]
    if state.best_weights:
        lines.append(
            f"On held-out questions {state.points[0].held_out:.3f} before and {state.best:.3f} after; the weights are "
            f"those of step {state.best_step:,}, where it was lowest."
        )
    return "\n".join(lines)


def _value(value: object) -> str:
    return ", ".join(map(str, value)) or "all" if isinstance(value, tuple) else f"{value}"
