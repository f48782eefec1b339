"""Parameters that several endpoints have, each with what it is for."""

from typing import Annotated, Any

Question = Annotated[str, "The question to answer."]
PromptName = Annotated[
    str, "Name of the prompt variant, for example assistant, creator, logician or translator; empty for the usual one."
]
MethodName = Annotated[str, "single, two-step or qtq."]
StepsOfQtq = Annotated[int, "How many questions a qtq chain asks."]
CandidatesOfQtq = Annotated[int, "How many next questions a qtq chain chooses from."]
MaxNewTokens = Annotated[int, "The most tokens that each text may have."]
Temperature = Annotated[float, "How freely words are drawn; 0 takes the likeliest word each time."]
TopP = Annotated[float, "Draw from the likeliest words that have this share of the chances; 1 keeps every word."]
TopK = Annotated[int, "Draw from this many of the likeliest words; 0 keeps every word."]
RepetitionPenalty = Annotated[float, "Above 1, words that were used before become less likely."]
Seed = Annotated[int, "The same seed and settings give the same table."]
Moves = Annotated[
    str,
    "The direction of next questions: auto, off, cause, mechanism, evidence, assumption, other view, consequence, "
    "example or measure.",
]
ConcludesQtq = Annotated[
    bool, "End a qtq chain with a conclusion: an answer to its first question by what the chain found."
]
SavedRun = Annotated[
    dict[str, Any],
    "The run as a JSON object: what the page's Download JSON, the command ask --format json, or the endpoint branch "
    "gave. It must be of the model, adapter and measure that are used here.",
]
ChainOfRow = Annotated[int, "The chain of the row."]
StepOfRow = Annotated[int, "The step of the row; a step that a branch shares is a row of the chain that it came from."]
