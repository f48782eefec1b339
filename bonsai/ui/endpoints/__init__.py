"""The named endpoints for the API and MCP: questions in, rows out; a saved run in, more of it out; scores."""

from gradio.events import api as gr_api

from bonsai.ui.endpoints import asking, grids, saved, scores
from bonsai.ui.offer import Offer
from bonsai.ui.wiring import RUNS


def publish(offer: Offer) -> None:
    """Add the endpoints to the page that is being built."""
    makers = (asking.ask, asking.two_step, asking.qtq, grids.compare, grids.batch, saved.branch, saved.test_reasoning)
    for make in makers:
        gr_api(make(offer), api_name=make.__name__, concurrency_id=RUNS)
    # Its own place in the queue: it needs no engine.
    gr_api(scores.score(offer), api_name="score", concurrency_id="score")
