"""What can go wrong, as exceptions whose messages are written for the person at the page or the command line.

BonsaiError          anything below
├── UsageError       the person gave something that cannot be used: change it and try again (exit code 2)
│   ├── SettingError   an environment variable or option has a value that is not allowed
│   ├── PromptError    a prompt variant is missing or badly written
│   └── QuestionError  a question is blank or longer than the model can read
├── EngineError      a model cannot be loaded or cannot answer (exit code 1)
└── RunFileError     a saved run cannot be read or written (exit code 1)
"""


class BonsaiError(Exception):
    """The root of all errors that Bonsai raises on purpose; its text is shown as it is."""


class UsageError(BonsaiError):
    """Something given by the person cannot be used."""


class SettingError(UsageError):
    """A setting has a value that is not allowed."""


class PromptError(UsageError):
    """A prompt variant is missing or badly written."""


class QuestionError(UsageError):
    """A question is blank or too long."""


class EngineError(BonsaiError):
    """A model cannot be loaded or cannot answer."""


class RunFileError(BonsaiError):
    """A saved run cannot be read or written."""


def first_line(error: BaseException | str) -> str:
    """Return the first line of what a library's error says, or its kind if it says nothing, for a sentence of ours."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
