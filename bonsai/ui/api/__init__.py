"""The named endpoints for the API and MCP: questions in, rows out; a saved run in, more of it out; scores."""

from gradio.events import api as gr_api

from bonsai.ui.api import ask, grids, saved_runs, score
from bonsai.ui.api.endpoint import endpoint
from bonsai.ui.context import PageContext
from bonsai.ui.work.event_settings import RUNS


def publish(context: PageContext) -> None:
    """Add the endpoints to the page that is being built."""
    of_runs = (saved_runs.branch, saved_runs.conclude, saved_runs.test_reasoning)
    for answer in (ask.ask, ask.two_step, ask.qtq, grids.compare, grids.batch, *of_runs):
        gr_api(endpoint(answer, context), api_name=answer.__name__, concurrency_id=RUNS)
    # Places of their own in the queue: they need no engine.
    gr_api(endpoint(saved_runs.question_bank), api_name="question_bank", concurrency_id="question_bank")
    gr_api(endpoint(saved_runs.judge), api_name="judge", concurrency_id="judge")
    gr_api(endpoint(score.score, context), api_name="score", concurrency_id="score")
