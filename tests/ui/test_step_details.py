"""What the page tells of one step: the verdict on each candidate in its colour."""

import re
from dataclasses import replace

from bonsai.chains.chain import new_chain
from bonsai.chains.guard import Candidate
from bonsai.chains.outcomes import Verdict
from bonsai.chains.prompts import load_variants
from bonsai.chains.step import Step
from bonsai.settings import ROOT
from bonsai.ui.views.step_details import candidates

VARIANT = load_variants(ROOT / "prompts")["assistant"]


def test_the_verdict_on_a_candidate_is_what_the_stylesheet_colours() -> None:
    proposed = (Candidate("Why now?", Verdict.ACCEPTED, 0, move="cause"), Candidate("Why?", Verdict.OFF_TOPIC, 0))
    step = Step(1, "Why?", "", candidates=proposed)
    table = candidates(replace(new_chain("Why?", "qtq", VARIANT), steps=(step,)), step, "en")
    style = (ROOT / "bonsai" / "ui" / "page.css").read_text(encoding="utf-8")
    coloured = re.findall(r"\.bonsai-step \.(accepted|rejected) \.(\w+) \{ color", style)
    found = [re.findall(rf'<tr class="{kind}">.*?class="{name}">(.*?)</td>', table) for kind, name in coloured]
    assert found == [["accepted"], ["off topic"]]
