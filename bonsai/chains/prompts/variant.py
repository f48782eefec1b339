"""A prompt variant: what is asked of the model in each role."""

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bonsai.chains.formats import PromptFormat, Turn
from bonsai.chains.moves import SENTENCES, Move
from bonsai.engines.base import Prompt

ROLES = ("single", "reasoning", "answer", "next_question")
CONCLUSION = "conclusion"
# How a step is written for a conclusion, which needs answers; a turn may show the question alone.
_FINDING = "Question: $question\nAnswer: $answer\n"

# What is asked before a role in the same conversation.
_BEFORE = {"answer": ("reasoning",), "next_question": ("reasoning", "answer")}
# It asks for one thing alone: a small model that was to name an open question too often wrote nothing else.
_CONCLUSION_REQUEST = (
    "$transcript\nUse only what is said above. In two to four sentences, answer this question: $question"
)


@dataclass(frozen=True)
class PromptVariant:
    """What is asked of the model in each role, in words (`roles`) or character by character (`templates`).

    Both hold a text for each role in the syntax of `string.Template`.
    """

    name: str
    """The name of its file, without the ending."""
    description: str
    """One line that the page shows."""
    persona: str
    """Who answers; the system message of a chat."""
    templates: Mapping[str, str]
    """Whole prompts, for authors who want every character; empty if `roles` says what is asked."""
    turn: str
    """How an earlier step is written; all earlier steps, oldest first, make up `$transcript`."""
    stop: tuple[str, ...]
    """Texts at which a completion is cut, beside those of the prompt format."""
    roles: Mapping[str, str] = field(default_factory=dict)
    """What is asked in words; a prompt format makes a prompt of them."""
    moves: Mapping[str, str] = field(default_factory=dict)
    """Sentences for `$move` by the name of the move, where they are not the usual ones."""

    def render(
        self,
        role: str,
        format: PromptFormat,
        *,
        question: str,
        reasoning: str = "",
        answer: str = "",
        earlier: Sequence[tuple[str, str]] = (),
        move: str = "",
    ) -> Prompt:
        """Return the prompt for `role`; `earlier` holds (question, answer) of the steps before, oldest first.

        `move` names the direction of the next question; without one nothing stands for `$move`.
        """
        turn = string.Template(_FINDING if role == CONCLUSION else self.turn)
        values = {
            "persona": self.persona,
            "question": question,
            "reasoning": reasoning,
            "answer": answer,
            "transcript": "".join(turn.substitute(question=asked, answer=answered) for asked, answered in earlier),
            "move": self.moves.get(move) or (SENTENCES[Move(move)] if move else ""),
        }
        if self.templates:
            return self._filled(role, values)
        completions = {"reasoning": reasoning, "answer": answer}
        turns = [
            Turn(one, question, self._request(one, values), None if one == role else completions[one])
            for one in (*_BEFORE.get(role, ()), role)
        ]
        return format.render(self.persona, turns)

    def uses(self, variable: str, role: str) -> bool:
        """Say whether what is asked in `role` depends on a variable, as "transcript" or "move"."""
        return variable in string.Template(self._asked(role)).get_identifiers()

    def stops(self, format: PromptFormat) -> tuple[str, ...]:
        """Return the texts at which a completion is cut, in a format; whole templates bring all of their own."""
        return self.stop if self.templates else (*self.stop, *format.stop)

    def _asked(self, role: str) -> str:
        return (self.templates or self.roles).get(role, _CONCLUSION_REQUEST if role == CONCLUSION else "")

    def _request(self, role: str, values: Mapping[str, str]) -> str:
        return string.Template(self._asked(role)).substitute(values).strip()

    def _filled(self, role: str, values: Mapping[str, str]) -> Prompt:
        """Return a whole template with its variables filled in: only they are text, all else is markup."""
        if role == CONCLUSION and role not in self.templates:
            # A file that says nothing of a conclusion asks for it as for any single question.
            return self._filled("single", {**values, "question": self._request(role, values)})
        parts = [""]
        last = 0
        template = self.templates[role]
        for match in string.Template.pattern.finditer(template):
            name = match["named"] or match["braced"]
            parts[-1] += template[last : match.start()] + ("" if name else "$")
            last = match.end()
            if name == "persona":
                parts[-1] += values[name]
            elif name:
                parts += [values[name], ""]
        parts[-1] += template[last:]
        return Prompt(tuple(parts))


def join(prompt: str, completion: str) -> str:
    """Return prompt and completion as one text: a space between, where the prompt ends with a role mark and a colon."""
    return prompt + (" " if prompt.endswith(":") else "") + completion
