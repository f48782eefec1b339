"""The section below the results in which one step is looked at, its Reasoning is tested, and a branch begins."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from bonsai.chains.chain import Chain
from bonsai.chains.moves import Move
from bonsai.chains.outcomes import Method
from bonsai.chains.step import Step
from bonsai.runs.limits import DEFAULT_STEPS
from bonsai.runs.run import Run, step_key
from bonsai.ui.context import PageContext
from bonsai.ui.locales.translate import cut, translatable, translate
from bonsai.ui.views.controls.options import seed_box, slider
from bonsai.ui.views.step_details import candidates, details, hint, verdicts

OWN_QUESTION = 0
BRANCHING = "Go on from here another way: a new chain that shares the steps before it. The old one stays."
_CHOICE_LENGTH = 80


@dataclass(frozen=True)
class Branching:
    """The form of a branch: what it begins with, the question itself, the prompt variant, steps, seed, button."""

    begin: gr.Dropdown
    question: gr.Textbox
    prompt: gr.Dropdown
    steps: gr.Slider
    seed: gr.Number
    button: gr.Button

    @property
    def places(self) -> list[Any]:
        """All components that `show` and `empty` give values for."""
        return [self.begin, self.question, self.prompt, self.seed]

    def show(self, chain: Chain, step: Step, language: str) -> dict[Any, Any]:
        """Return the values with which a branch from a step can begin: its own question, or one of its candidates."""
        own = translate(language, "This step's question, edited")
        choices: list[tuple[str, int | str]] = [(own, OWN_QUESTION)]
        for number, (one, verdict) in enumerate(zip(step.candidates, verdicts(step, language), strict=True), start=1):
            if one.question:
                choices.append((translate(language, "Candidate {}: {} ({})", number, one.question, verdict), number))
        for move in Move:
            choices.append((translate(language, "Another next question: {}", translate(language, move)), move))
        variants = [value for _, value in self.prompt.choices]
        prompt = chain.prompt.name if chain.prompt.name in variants else gr.skip()
        begin = gr.Dropdown(choices=choices, value=OWN_QUESTION)
        return {self.begin: begin, self.question: step.question, self.prompt: prompt, self.seed: chain.seed}

    def empty(self) -> dict[Any, Any]:
        """Return the values of the form while no step is chosen."""
        return {self.begin: gr.Dropdown(choices=[], value=None), self.question: ""}


@dataclass(frozen=True)
class Steps:
    """The places of the section; only a chain of several steps can branch.

    `shown` holds what is in them: the run, the step, and what its branch begins with.
    """

    section: gr.Accordion
    choice: gr.Dropdown
    details: gr.HTML
    test: gr.Button
    candidates: gr.HTML
    branching: Branching | None
    shown: gr.State

    @property
    def places(self) -> list[Any]:
        """All components that `show`, `choices` and `empty` give values for."""
        branching = self.branching.places if self.branching else []
        return [self.shown, self.choice, self.details, self.candidates, *branching]

    @property
    def buttons(self) -> list[gr.Button]:
        """The buttons that begin work of the model."""
        return [self.test, *([self.branching.button] if self.branching else [])]

    def choices(self, run: Run) -> dict[Any, Any]:
        """Return the values that offer the finished steps of a run, and leave alone what is chosen."""
        return {self.choice: gr.Dropdown(choices=_choices(run))}

    def unchosen(self, shown: dict[Any, Any]) -> dict[Any, Any]:
        """Return the values with which no step is chosen of those that are offered in `shown`."""
        return self.empty() | {self.choice: gr.Dropdown(choices=shown[self.choice].choices, value=None)}

    def show(self, run: Run | None, chosen: str | None, language: str) -> dict[Any, Any]:
        """Return the values that show the chosen step of a run."""
        if run is None or (found := run.find_step(chosen)) is None:
            return self.empty()
        chain, step = found
        branching = self.branching.show(chain, step, language) if self.branching else {}
        choice = gr.Dropdown(choices=_choices(run), value=chosen)
        told = {self.details: details(chain, step, language), self.candidates: candidates(chain, step, language)}
        return {self.shown: (run.id, chosen, OWN_QUESTION), self.choice: choice, **told, **branching}

    def empty(self) -> dict[Any, Any]:
        """Return the values that show that no step is chosen."""
        branching = self.branching.empty() if self.branching else {}
        return {
            self.shown: None,
            self.choice: gr.Dropdown(choices=[], value=None),
            self.details: hint(),
            self.candidates: "",
            **branching,
        }


def draw(context: PageContext, method: Method, example: Run | None) -> Steps:
    """Draw the section, folded."""
    with gr.Accordion(translatable("Look at a step"), open=False, elem_classes="bonsai-look") as section:
        choice = gr.Dropdown(
            _choices(example) if example else [],
            value=None,
            filterable=False,
            elem_classes="bonsai-choice",
            label=translatable("Step"),
            info=translatable("Choose a step here, or click its row in the table"),
        )
        shown = gr.HTML(hint())
        test = gr.Button(translatable("Was the Reasoning used?"), size="sm", elem_classes="bonsai-test")
        proposed = gr.HTML()
        branching = _branching(context) if method == Method.QTQ else None
    return Steps(section, choice, shown, test, proposed, branching, gr.State())


def last_choice(run: Run) -> str | None:
    """Return the choice that names the last finished step of a run, None if there is none."""
    return next((key for _, key in reversed(_choices(run))), None)


def _choices(run: Run) -> list[tuple[str, str]]:
    steps = {step_key(chain, step): step for chain in run.chains for step in chain.own_steps if step.finished}
    several = len(run.chains) > 1
    return [
        (cut(f"{key if several else f'{step.number}.'} {step.question}", _CHOICE_LENGTH), key)
        for key, step in steps.items()
    ]


def _branching(context: PageContext) -> Branching:
    gr.Markdown(translatable(BRANCHING), elem_classes="bonsai-branching")
    begin = gr.Dropdown(
        [],
        value=None,
        filterable=False,
        label=translatable("Begin with"),
        elem_classes="bonsai-begin",
        info=translatable("An edited question takes the place of this step's; a candidate is asked after it"),
    )
    question = gr.Textbox(label=translatable("Question"), lines=2, max_lines=6, elem_classes="bonsai-branch-question")
    with gr.Row():
        prompt = gr.Dropdown(
            list(context.variants), value=context.prompt, label=translatable("Prompt variant"), filterable=False
        )
        steps = slider("Steps", "How many questions the branch asks", 1, context.settings.max_steps, DEFAULT_STEPS)
        seed = seed_box()
    button = gr.Button(translatable("Branch"), variant="primary", elem_classes="bonsai-begin-branch")
    return Branching(begin, question, prompt, steps, seed, button)
