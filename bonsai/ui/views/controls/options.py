"""The options of the forms: of a QtQ chain, and of sampling."""

import gradio as gr
from gradio.components import Component

from bonsai.chains.moves import AUTO, OFF, Move
from bonsai.runs.limits import DEFAULT_CANDIDATES, DEFAULT_SAMPLING, DEFAULT_STEPS, MAX_CANDIDATES
from bonsai.ui.context import PageContext
from bonsai.ui.locales.translate import translatable

# Said of the options of a tab that asks by other methods too.
_ONE_OF_SEVERAL = translatable("Of a QtQ chain")
_STEPS = translatable("How many questions the chain asks, the first one included")
_CANDIDATES = translatable("Next questions to choose from; those that repeat an earlier one are dropped")
_MOVES = translatable("In which direction each next question goes: another one for each candidate, none, or always one")


def chain_options(context: PageContext, *, one_of_several: bool = False) -> dict[str, Component]:
    """Return the options of a QtQ chain by the names of the fields that RunRequest and GridRequest share.

    Where QtQ is `one_of_several` methods of a tab, that is said, and no conclusion is asked for unless it is ticked.
    """
    most = context.settings.max_steps
    steps, candidates = (_ONE_OF_SEVERAL, _ONE_OF_SEVERAL) if one_of_several else (_STEPS, _CANDIDATES)
    return {
        "steps": gr.Slider(
            1, most, min(DEFAULT_STEPS, most), step=1, label=translatable("Steps"), info=steps, min_width=170
        ),
        "candidates": gr.Slider(
            1,
            MAX_CANDIDATES,
            DEFAULT_CANDIDATES,
            step=1,
            label=translatable("Candidates"),
            info=candidates,
            min_width=170,
        ),
        "moves": gr.Dropdown(
            [(translatable(name), name) for name in (AUTO, OFF, *Move)],
            value=AUTO,
            filterable=False,
            elem_classes="bonsai-moves",
            label=translatable("Directions"),
            info=_MOVES,
        ),
        **_endings(concludes=not one_of_several),
    }


def _endings(*, concludes: bool) -> dict[str, Component]:
    return {
        "concludes": gr.Checkbox(
            concludes,
            elem_classes="bonsai-wide",
            label=translatable("End with a conclusion"),
            info=translatable("Answers the first question by what the whole chain found"),
        ),
        "stop_without_progress": gr.Checkbox(
            True,
            elem_classes="bonsai-wide",
            label=translatable("Stop when nothing new comes"),
            info=translatable("Ends the chain when two steps running add next to nothing"),
        ),
    }


# The lowest and the highest value, the step between them, the name, and what is said of it.
_RANGES: dict[str, tuple[float, float, float, str, str]] = {
    "temperature": (0, 2, 0.05, "Temperature", "0 takes the likeliest word each time"),
    "top_p": (0.05, 1, 0.05, "Top p", "1 keeps every word"),
    "top_k": (0, 200, 1, "Top k", "0 keeps every word"),
    "repetition_penalty": (0.8, 1.5, 0.05, "Repetition penalty", "1 leaves repeated words alone"),
}


def sampling_options(context: PageContext) -> dict[str, Component]:
    """Return the sampling options that the engine honours, in a folded section."""
    most = context.settings.max_new_tokens
    honoured = context.engine.info.options
    new_tokens = (1, most, 1, "New tokens", "The most tokens of one text")
    ranges = {"max_new_tokens": new_tokens} | {name: _RANGES[name] for name in _RANGES if name in honoured}
    with gr.Accordion(translatable("Sampling"), open=False, elem_classes="bonsai-sampling"):
        options: dict[str, Component] = {}
        for name, (lowest, highest, step, label, info) in ranges.items():
            value = min(getattr(DEFAULT_SAMPLING, name), highest)
            options[name] = gr.Slider(
                lowest, highest, value, step=step, label=translatable(label), info=translatable(info)
            )
        if "seed" in honoured:
            options["seed"] = seed_box("Same seed and settings, same table")
    return options


def seed_box(info: str | None = None) -> gr.Number:
    """Return the field of a seed, with what is said of it."""
    told = translatable(info) if info else None
    return gr.Number(
        DEFAULT_SAMPLING.seed, precision=0, minimum=0, maximum=2**31 - 1, label=translatable("Seed"), info=told
    )
