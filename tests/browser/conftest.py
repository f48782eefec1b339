"""What all tests of the page in a browser share."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.visits import Visit


@pytest.fixture
def visit(request: pytest.FixtureRequest, address: str, browser: Browser) -> Iterator[Visit]:
    """A way for the test to open the page as a visitor of its own; all visits end with the test.

    The module's ENGINE answers, and is let on at the end. The test fails if the browser has an error to tell of.
    """
    engine = request.module.ENGINE
    engine.reset()
    engine.fail_on = ""
    visit = Visit(address, browser)
    yield visit
    engine.steps.release(100_000)
    visit.end()
