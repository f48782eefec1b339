"""The options of the forms: of a QtQ chain, and of sampling."""

import gradio as gr
from gradio.components import Component

from bonsai.chains.moves import AUTO, OFF, Move
from bonsai.runs.limits import DEFAULT_CANDIDATES, DEFAULT_SAMPLING, DEFAULT_STEPS, MAX_CANDIDATES
from bonsai.ui.context import PageContext
from bonsai.ui.locales.translate import translatable

_ONE_OF_SEVERAL = "Of a QtQ chain"
"""Said of the options of a tab that asks by other methods too."""
_STEPS = "How many questions the chain asks, the first one included"
_CANDIDATES = "Next questions to choose from; those that repeat an earlier one are dropped"
_MOVES = "In which direction each next question goes: another one for each candidate, none, or always one"
_CONCLUDES = "Answers the first question by what the whole chain found"
_STOPS = "Ends the chain when two steps running add next to nothing"


def chain_options(context: PageContext, *, one_of_several: bool = False) -> dict[str, Component]:
    """Return the options of a QtQ chain by the names of the fields of GridRequest.

    Where QtQ is `one_of_several` methods of a tab, that is said, and no conclusion is asked for unless it is ticked.
    """
    most = context.settings.max_steps
    steps, candidates = (_ONE_OF_SEVERAL, _ONE_OF_SEVERAL) if one_of_several else (_STEPS, _CANDIDATES)
    return {
        "steps": slider("Steps", steps, 1, most, DEFAULT_STEPS, min_width=170),
        "candidates": slider("Candidates", candidates, 1, MAX_CANDIDATES, DEFAULT_CANDIDATES, min_width=170),
        "moves": gr.Dropdown(
            [(translatable(name), name) for name in (AUTO, OFF, *Move)],
            value=AUTO,
            filterable=False,
            elem_classes="bonsai-moves",
            label=translatable("Directions"),
            info=translatable(_MOVES),
        ),
        "concludes": _checkbox("End with a conclusion", _CONCLUDES, not one_of_several),
        "stop_without_progress": _checkbox("Stop when nothing new comes", _STOPS, True),
    }


# The name, what is said of it, the lowest and the highest value, and the step between them.
_RANGES = {
    "temperature": ("Temperature", "0 takes the likeliest word each time", 0, 2, 0.05),
    "top_p": ("Top p", "1 keeps every word", 0.05, 1, 0.05),
    "top_k": ("Top k", "0 keeps every word", 0, 200, 1),
    "repetition_penalty": ("Repetition penalty", "1 leaves repeated words alone", 0.8, 1.5, 0.01),
}


def sampling_options(context: PageContext) -> dict[str, Component]:
    """Return the sampling options that the engine honours, in a folded section."""
    usual, most = DEFAULT_SAMPLING, context.settings.max_new_tokens
    with gr.Accordion(translatable("Sampling"), open=False, elem_classes="bonsai-sampling"):
        options: dict[str, Component] = {
            "max_new_tokens": slider("New tokens", "The most tokens of one text", 1, most, usual.max_new_tokens)
        }
        for name, (label, info, lowest, highest, step) in _RANGES.items():
            if name in context.engine.info.options:
                options[name] = slider(label, info, lowest, highest, getattr(usual, name), step)
        if "seed" in context.engine.info.options:
            options["seed"] = seed_box("Same seed and settings, same table")
    return options


def seed_box(info: str | None = None) -> gr.Number:
    """Return the field of a seed, with what is said of it."""
    told = translatable(info) if info else None
    return gr.Number(
        DEFAULT_SAMPLING.seed, precision=0, minimum=0, maximum=2**31 - 1, label=translatable("Seed"), info=told
    )


def slider(
    label: str, info: str, lowest: float, highest: float, value: float, step: float = 1, min_width: int = 160
) -> gr.Slider:
    """Return a slider with its name and what is said of it; a value above the highest is that."""
    name, told = translatable(label), translatable(info)
    return gr.Slider(lowest, highest, min(value, highest), step=step, label=name, info=told, min_width=min_width)


def _checkbox(label: str, info: str, value: bool) -> gr.Checkbox:
    return gr.Checkbox(value, elem_classes="bonsai-wide", label=translatable(label), info=translatable(info))
