"""The wiring of a tab, the same for all methods: form, live step and results, and what happens when."""

import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from bonsai.chain import stop
from bonsai.errors import BonsaiError
from bonsai.runs import Run
from bonsai.ui import form, live, results
from bonsai.ui.form import Form
from bonsai.ui.growing import snapshots
from bonsai.ui.offer import Offer
from bonsai.ui.results import Results
from bonsai.ui.texts import language, say, say_error, t

# All runs of the page and of the endpoints share one limit.
RUNS = "runs"
Values = dict[Any, Any]

_log = logging.getLogger("bonsai")


@dataclass(frozen=True)
class Moment:
    """A run as it is shown, whether it has begun, and the seconds since then."""

    run: Run
    begun: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class Sheet:
    """One tab as it is used: a method with its form, status line, live step, results, and what the visitor runs."""

    offer: Offer
    method: str
    form: Form
    status: gr.HTML
    step: gr.HTML
    results: Results
    moment: gr.State

    @property
    def places(self) -> list[Any]:
        """All components that change while a run goes on."""
        return [self.status, self.step, self.moment, self.form.run, self.form.stop, *self.results.places]

    def connect(self) -> None:
        """Tie the buttons to what they do."""
        form, places = self.form, self.places
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        asked = gr.on(
            [form.run.click, form.question.submit], self.begin, set(form.fields.values()), places, queue=False, **quiet
        )
        asked.failure(self.refuse, set(form.fields.values()), self.status, queue=False, **quiet)
        grown = asked.success(self.grow, self.moment, places, concurrency_id=RUNS, **quiet)
        grown.failure(self.give_up, self.moment, places, queue=False, **quiet)
        form.stop.click(self.halt, self.moment, places, cancels=grown, queue=False, **quiet)
        form.clear.click(self.wipe, None, [form.question, *places], cancels=grown, queue=False, **quiet)

    def begin(self, values: Values, request: gr.Request) -> Values:
        """Check what was asked, before anyone waits for it, and show that it is about to begin."""
        try:
            run = self._asked(values)
        except BonsaiError as error:
            raise gr.Error(str(error), print_exception=False) from error
        waiting = live.status_line(t(live.WAITING), "busy")
        shown = self._show(Moment(run), language(request)) | {self.status: waiting}
        return shown | self._at_work(True) | self.results.empty()

    def refuse(self, values: Values, request: gr.Request) -> str:
        """Show why nothing was started."""
        try:
            self._asked(values)
        except BonsaiError as error:
            return live.status_line(say_error(language(request), str(error)), "bad")
        return live.status_line(t(live.FAILED), "bad")

    async def grow(self, moment: Moment, request: gr.Request) -> AsyncIterator[Values]:
        """Show the run as it grows; the table only when a step was finished."""
        tongue, began = language(request), time.monotonic()
        finished = 0
        try:
            async with aclosing(snapshots(moment.run.chains, moment.run.sampling)) as growing:
                async for chains in growing:
                    moment = Moment(moment.run.with_chains(chains), True, time.monotonic() - began)
                    values = self._show(moment, tongue)
                    if finished != (finished := sum(step.finished for step in chains[0].steps)):
                        values |= self.results.show(moment.run, tongue)
                    yield values | self._at_work(not chains[0].finished)
        except BonsaiError as error:
            yield self._end(moment, tongue, live.status_line(say_error(tongue, str(error)), "bad"))
        except gr.Error as error:
            # Of the platform, for example that the quota of a ZeroGPU Space is used up; its message is HTML.
            gr.Warning(error.message, title=say(tongue, "The run ended"))
            yield self._end(moment, tongue, live.status_line(t(live.ENDED), "bad"))
        except Exception:
            _log.exception("A run ended with an error that was not expected.")
            yield self._end(moment, tongue, live.status_line(t(live.FAILED), "bad"))

    def halt(self, moment: Moment | None, request: gr.Request) -> Values:
        """Show the run as it was when it was stopped, with all that was written."""
        if moment is None:
            return self._blank(live.status_line(t(live.NOTHING_WRITTEN)))
        return self._end(moment, language(request))

    def wipe(self) -> Values:
        """Show the tab as it was before the first run, without the example."""
        return {self.form.question: "", **self._blank(live.status_line(t(live.READY)))}

    def give_up(self, moment: Moment | None, request: gr.Request) -> Values:
        """Show that too many visitors are waiting; or, for a run that lost its connection or was stopped, its end."""
        if moment is None or moment.run.chains[0].finished:
            return {self.status: gr.skip()}
        if moment.begun:
            return self._end(moment, language(request))
        return self._blank(live.status_line(t(live.BUSY), "bad"))

    def _asked(self, values: Values) -> Run:
        return self.offer.begin(self.method, **{name: values[field] for name, field in self.form.fields.items()})

    def _end(self, moment: Moment, tongue: str, status: str = "") -> Values:
        """Return the values that show a run which ended here, whatever was still to come."""
        run = moment.run.with_chains(tuple(stop(chain) for chain in moment.run.chains))
        if not any(step.reasoning or step.answer for step in run.chains[0].steps):
            return self._blank(status or live.status_line(t(live.NOTHING_WRITTEN)))
        values = self._show(Moment(run, True, moment.seconds), tongue) | self.results.show(run, tongue)
        return values | self._at_work(False) | ({self.status: status} if status else {})

    def _show(self, moment: Moment, tongue: str) -> Values:
        (chain,) = moment.run.chains
        status = live.status_line(live.state_of(chain, moment.seconds, tongue), live.mood_of(chain))
        return {self.status: status, self.step: live.live_step(chain, moment.seconds, tongue), self.moment: moment}

    def _blank(self, status: str) -> Values:
        nothing = {self.status: status, self.step: live.idle_step(), self.moment: None}
        return nothing | self._at_work(False) | self.results.empty()

    def _at_work(self, running: bool) -> Values:
        return {self.form.run: gr.Button(interactive=not running), self.form.stop: gr.Button(interactive=running)}


def draw(offer: Offer, method: str, options: Mapping[str, Component]) -> None:
    """Draw the tab of a method, with the method's own options, and let it work."""
    with gr.Row(elem_classes="bonsai-desk"):
        with gr.Column(min_width=300):
            drawn = form.draw(offer, options)
            status = gr.HTML(live.status_line(t(live.READY)))
        with gr.Column(min_width=300):
            step = gr.HTML(live.idle_step())
    shown = results.draw(method, offer.examples.get(method))
    Sheet(offer, method, drawn, status, step, shown, gr.State()).connect()
