"""The sentence for each state of a run, in the visitor's language."""

import logging
from pathlib import Path

import gradio as gr

from bonsai.chains.chain import Chain
from bonsai.chains.outcomes import ENDINGS, Role, StopReason
from bonsai.errors import BonsaiError
from bonsai.runs.journal import Journal
from bonsai.runs.journal.progress import Progress, duration
from bonsai.ui.locales.translate import as_html, translatable, translate, translate_error

_log = logging.getLogger("bonsai")

READY = "Ready. Write a question or pick a starter, then press Run."
WAITING = "Waiting for a free place. It begins by itself."
LOADING = "The model is being loaded. It begins by itself."
BUSY = "Too many visitors are waiting. Try again in a minute."
ENDED = "The run ended here; the message says why."
FAILED = "Something unexpected went wrong, and the run ended here. Try again."
KEPT = "This is your run as it was before the page was loaded again."
NOTHING_WRITTEN = "Stopped before anything was written."
STOPPED = "Stopped. What was written until then is kept."
_WRITING = {
    Role.SINGLE: "Writing the answer.",
    Role.REASONING: "Writing the Reasoning.",
    Role.ANSWER: "Writing the answer.",
    Role.NEXT_QUESTION: "Writing the next question.",
}
_MOODS = {"": "busy", StopReason.DONE: "good", StopReason.ERROR: "bad"}


def state_of(chain: Chain, seconds: float, ready: bool, language: str) -> str:
    """Return the sentence for the state that a chain is in, some seconds after it began.

    Until the model is `ready`, the chain waits for it.
    """
    step = chain.steps[-1]
    if chain.concluding:
        return translate(language, "Writing the conclusion.")
    if not chain.stop_reason:
        return translate(language, _WRITING[step.writing] if ready and step.writing else LOADING)
    if chain.stop_reason == StopReason.ERROR:
        return translate(language, "The model could not go on: {}", step.error)
    if chain.error:
        return translate(language, "The conclusion could not be written: {}", chain.error)
    if chain.stop_reason == StopReason.STOPPED:
        return translate(language, STOPPED)
    if chain.stop_reason == StopReason.DONE:
        return done_in(seconds, language)
    return translate(language, ENDINGS[chain.stop_reason])


def mood_of(chain: Chain) -> str:
    """Return the style of the status line for a chain: at work, ended well, or ended otherwise."""
    ended = StopReason.ERROR if chain.error else chain.stop_reason
    return _MOODS.get("" if chain.concluding else ended, "")


def failure(error: Exception, language: str) -> str:
    """Return the status line of a run that an error ended; what nobody expected goes to the log."""
    if isinstance(error, BonsaiError):
        if isinstance(file := error.values.get("file"), Path):
            # Where it is on the server is no concern of a visitor.
            error = error.with_values(file=file.name)
        return line(translate_error(language, error), "bad")
    if isinstance(error, gr.Error):
        # Of the platform, for example that the quota of a ZeroGPU Space is used up; its message is HTML.
        gr.Warning(error.message, title=translate(language, "The run ended"))
        return line(translatable(ENDED), "bad")
    _log.error("A run ended with an error that was not expected.", exc_info=error)
    return line(translatable(FAILED), "bad")


def waiting(seconds: int, ready: bool, language: str) -> str:
    """Return the status line while a run waits for its place, or for a model that is not `ready`.

    It tells the GPU seconds that the run asks for, 0 for none.
    """
    if not ready:
        return line(translatable(LOADING), "busy")
    if not seconds:
        return line(translatable(WAITING), "busy")
    return line(translate(language, "{} It asks for {} GPU seconds.", translate(language, WAITING), seconds), "busy")


def line(sentence: str, mood: str = "") -> str:
    """Return the status line with a sentence; a screen reader speaks it when it changes."""
    return f'<div class="bonsai-status {mood}" role="status" aria-live="polite">{as_html(sentence)}</div>'


def note(sentence: str, mood: str = "") -> str:
    """Return a sentence beside what it is about, as HTML; `mood` is "good" or "bad"."""
    return f'<p class="bonsai-note {mood}">{as_html(sentence)}</p>'


def progress_of(now: Progress, ready: bool, language: str) -> str:
    """Return the sentence that says how far a run of many chains is, and how long it will take.

    Until the model is `ready`, the run waits for it.
    """
    if not ready:
        return translate(language, LOADING)
    parts = [
        translate(language, "{} of {} chains", f"{now.finished:,}", f"{now.chains:,}"),
        translate_error(language, duration(now.seconds)),
    ]
    if now.expected is not None and now.finished < now.chains:
        parts.append(translate(language, "about {} to go", translate_error(language, duration(now.expected))))
    if now.failed:
        parts.append(translate(language, "{} failed", f"{now.failed:,}"))
    return translate(language, "Writing: {}.", ", ".join(parts))


def ending_of(journal: Journal, seconds: float, language: str) -> str:
    """Return the sentence for the end of a run of many chains: how far it came, how long it took, what failed."""
    if journal.finished < len(journal):
        sentence = "Stopped. {} of {} chains are finished; Go on takes up the rest."
        return translate(language, sentence, f"{journal.finished:,}", f"{len(journal):,}")
    told = done_in(seconds, language)
    if journal.failed:
        failed = translate(language, "{} chains failed; ask them again, or see the flags.", f"{len(journal.failed):,}")
        told += f" {failed}"
    return told


def done_in(seconds: float, language: str) -> str:
    """Return the sentence that says how long finished work took."""
    return translate(language, "Done in {}.", translate_error(language, duration(seconds, digits=1)))
