"""The options of the forms: of a QtQ chain, and of sampling."""

from dataclasses import dataclass

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


@dataclass(frozen=True)
class _Range:
    """What a slider offers, and what is said of it."""

    lowest: float
    highest: float
    step: float
    label: str
    info: str


_RANGES = {
    "temperature": _Range(
        0, 2, 0.05, translatable("Temperature"), translatable("0 takes the likeliest word each time")
    ),
    "top_p": _Range(0.05, 1, 0.05, translatable("Top p"), translatable("1 keeps every word")),
    "top_k": _Range(0, 200, 1, translatable("Top k"), translatable("0 keeps every word")),
    "repetition_penalty": _Range(
        0.8, 1.5, 0.05, translatable("Repetition penalty"), translatable("1 leaves repeated words alone")
    ),
}


def sampling_options(context: PageContext) -> dict[str, Component]:
    """Return the sampling options that the engine honours, in a folded section."""
    most = context.settings.max_new_tokens
    honoured = context.engine.info.options
    new_tokens = _Range(1, most, 1, translatable("New tokens"), translatable("The most tokens of one text"))
    with gr.Accordion(translatable("Sampling"), open=False, elem_classes="bonsai-sampling"):
        options: dict[str, Component] = {
            "max_new_tokens": _slider(new_tokens, min(DEFAULT_SAMPLING.max_new_tokens, most)),
            **{
                name: _slider(offered, getattr(DEFAULT_SAMPLING, name))
                for name, offered in _RANGES.items()
                if name in honoured
            },
        }
        if "seed" in honoured:
            options["seed"] = gr.Number(
                DEFAULT_SAMPLING.seed,
                precision=0,
                minimum=0,
                maximum=2**31 - 1,
                label=translatable("Seed"),
                info=translatable("Same seed and settings, same table"),
            )
    return options


def _slider(offered: _Range, value: float) -> gr.Slider:
    return gr.Slider(offered.lowest, offered.highest, value, step=offered.step, label=offered.label, info=offered.info)
