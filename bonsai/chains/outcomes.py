"""The closed sets of words in chains: methods, roles, verdicts, flags, stop reasons, with the sentences for them.

Each member is its own text, in JSON and tables too: `Method.QTQ == "qtq"`. Nothing heavy is imported here, so that
the command line can offer these words at once.
"""

from enum import StrEnum


class Role(StrEnum):
    """What a model is asked to write."""

    SINGLE = "single"
    """An answer without Reasoning before it."""
    REASONING = "reasoning"
    ANSWER = "answer"
    """An answer that follows from the Reasoning."""
    NEXT_QUESTION = "next_question"
    CONCLUSION = "conclusion"
    """An answer to the first question by what a whole chain found."""


class Method(StrEnum):
    """The sequence of roles for one question."""

    SINGLE = "single"
    TWO_STEP = "two-step"
    QTQ = "qtq"

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles of one step, in the order in which they are written."""
        return _ROLES[self]


_ROLES = {
    Method.SINGLE: (Role.SINGLE,),
    Method.TWO_STEP: (Role.REASONING, Role.ANSWER),
    Method.QTQ: (Role.REASONING, Role.ANSWER, Role.NEXT_QUESTION),
}


class Verdict(StrEnum):
    """What the guard found in a candidate for the next question."""

    ACCEPTED = "accepted"
    EMPTY = "empty"
    NOT_A_QUESTION = "not a question"
    OFF_TOPIC = "off topic"
    REPEATS = "repeats"
    """The candidate repeats an earlier question; `Candidate.repeats` says which."""
    DUPLICATE = "duplicate"
    """The candidate asks what another one of its step asks; `Candidate.same_as` says which."""


class Flag(StrEnum):
    """A remark on a finished step, in the order in which the measures find them."""

    NO_REASONING = "no-reasoning"
    COPIED_REASONING = "copied-reasoning"
    """The Reasoning only repeats the question or the answer."""
    TAUTOLOGY = "tautology"
    """The question repeats the one before it."""
    CIRCULAR = "circular"
    """The question repeats an earlier one."""
    OFF_TOPIC = "off-topic"
    NO_PROGRESS = "no-progress"
    """This step and the one before it add next to nothing."""
    NOT_A_QUESTION = "not-a-question"
    """Nothing that was proposed as the next question is a question."""
    TRUNCATED = "truncated"
    """A text hit the token limit, or earlier steps did not fit the context."""
    STOPPED = "stopped"
    ERROR = "error"
    COPIED_CONCLUSION = "copied-conclusion"
    """Of a conclusion: it only repeats the answer of one step."""
    UNSUPPORTED = "unsupported"
    """Of a conclusion: most of it was said in no step."""


class StopReason(StrEnum):
    """Why a chain goes no further."""

    DONE = "done"
    """It has all its steps."""
    TAUTOLOGY = "tautology"
    """Every proposed next question repeats an earlier one."""
    OFF_TOPIC = "off-topic"
    """The proposed next questions leave the topic."""
    NO_QUESTION = "no-question"
    """No next question was proposed."""
    NO_PROGRESS = "no-progress"
    """Two steps in a row added next to nothing."""
    ERROR = "error"
    STOPPED = "stopped"
    """A person stopped it."""


ENDINGS = {
    StopReason.TAUTOLOGY: "The chain ends here: every proposed next question repeats one that was asked before.",
    StopReason.OFF_TOPIC: "The chain ends here: every proposed next question leaves the topic.",
    StopReason.NO_QUESTION: "The chain ends here: the model proposed no next question.",
    StopReason.NO_PROGRESS: "The chain ends here: two steps running added next to nothing to what was said before.",
    StopReason.ERROR: "The chain ends here: the model could not go on.",
    StopReason.STOPPED: "The chain was stopped here.",
}
"""What page and files say of a chain that ended before it had all its steps."""

REASONING_TEST = "Without it the answer changes by {without}, with its words shuffled by {shuffled}."
"""What page and files say of a Reasoning that an earlier version tested; the two values are percentages."""
CHANGE_BY_CHANCE = "Changes the answer more than chance? With other seeds alone it changes by {chance}."
"""What page and files say of a Reasoning that was tested, before they tell what each control did."""


class Judgement(StrEnum):
    """What a person says of a step: alone, or beside the same step of another chain."""

    GOOD = "good"
    BAD = "bad"
    BETTER = "better"
    WORSE = "worse"
    TIE = "tie"
    NONE = "none"
    """What was said before is taken back."""


class Axis(StrEnum):
    """In what the chains of a grid can differ."""

    QUESTION = "question"
    PROMPT = "prompt"
    METHOD = "method"
    ADAPTER = "adapter"
    SEED = "seed"
