"""The command line: one subcommand per job; tables go to stdout, everything else to stderr."""

import sys
from collections.abc import Sequence
from importlib import import_module

from bonsai.cli.output import FAILED, INTERRUPTED, WRONG_USAGE, say
from bonsai.cli.parser import parser
from bonsai.errors import BonsaiError, UsageError
from bonsai.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    options = parser().parse_args(arguments)
    try:
        settings = Settings.from_env()
        # Only now: what a command imports takes seconds, which --help and wrong options need not wait for.
        code: int = import_module(f"bonsai.cli.commands.{options.command}").run(options, settings)
        return code
    except BonsaiError as error:
        say(f"bonsai: {error}")
        return WRONG_USAGE if isinstance(error, UsageError) else FAILED
    except BrokenPipeError:
        # The reader of stdout has gone, for example `| head`; nothing is left to say, and no flush at exit may fail.
        sys.stdout = None
        return FAILED
    except OSError as error:
        if not error.filename:
            raise
        # A file or folder of this machine, wherever it was looked at.
        say(f"bonsai: {error.filename} cannot be used: {error.strerror}.")
        return FAILED
    except KeyboardInterrupt:
        say("bonsai: interrupted")
        return INTERRUPTED
