"""Behind a proxy the page asks its own server directly."""

from urllib.request import proxy_bypass

import pytest

from bonsai.settings import ask_this_machine_directly


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_addresses_of_this_machine_are_asked_directly(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for one in ("no_proxy", "NO_PROXY"):
        # So that both are as before when the test is over.
        monkeypatch.setenv(one, "")
        monkeypatch.delenv(one)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv(name, "models.example")
    ask_this_machine_directly()
    assert all(map(proxy_bypass, ("127.0.0.1:7860", "localhost:7860", "0.0.0.0:7860", "models.example")))
    assert not proxy_bypass("other.example")
