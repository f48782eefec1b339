"""The options of a QtQ chain: how many steps and candidates, in which directions, and how it ends."""

import gradio as gr
from gradio.components import Component

from bonsai.chains.moves import AUTO, OFF, Move
from bonsai.runs.limits import DEFAULT_CANDIDATES, DEFAULT_STEPS, MAX_CANDIDATES
from bonsai.ui.context import PageContext
from bonsai.ui.locales.translate import translatable

# Said of the options of a tab that asks by other methods too.
_ONE_OF_SEVERAL = translatable("Of a QtQ chain")


def chain_options(context: PageContext, *, one_of_several: bool = False) -> dict[str, Component]:
    """Return the options by the names of the fields that RunRequest and GridRequest share.

    Where QtQ is `one_of_several` methods of a tab, that is said, and no conclusion is asked for unless it is ticked.
    """
    most = context.settings.max_steps
    return {
        "steps": gr.Slider(
            1,
            most,
            min(DEFAULT_STEPS, most),
            step=1,
            label=translatable("Steps"),
            info=_ONE_OF_SEVERAL
            if one_of_several
            else translatable("How many questions the chain asks, the first one included"),
            min_width=170,
        ),
        "candidates": gr.Slider(
            1,
            MAX_CANDIDATES,
            DEFAULT_CANDIDATES,
            step=1,
            label=translatable("Candidates"),
            info=_ONE_OF_SEVERAL
            if one_of_several
            else translatable("Next questions to choose from; those that repeat an earlier one are dropped"),
            min_width=170,
        ),
        "moves": gr.Dropdown(
            [(translatable(name), name) for name in (AUTO, OFF, *Move)],
            value=AUTO,
            filterable=False,
            elem_classes="bonsai-moves",
            label=translatable("Directions"),
            info=translatable(
                "In which direction each next question goes: another one for each candidate, none, or always one"
            ),
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
