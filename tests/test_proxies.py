"""Behind a proxy the page asks its own server directly."""

from urllib.request import getproxies_environment, proxy_bypass

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


def test_the_proxies_of_the_system_stay_known(monkeypatch: pytest.MonkeyPatch) -> None:
    for one in ("no_proxy", "NO_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(one, "")
        monkeypatch.delenv(one)
    monkeypatch.setenv("http_proxy", "http://own.example:1")
    system = {"http": "http://system.example:1", "https": "http://system.example:2", "no": "models.example"}
    monkeypatch.setattr("bonsai.settings.getproxies", lambda: system)
    ask_this_machine_directly()
    found = getproxies_environment()
    assert (found["http"], found["https"]) == ("http://own.example:1", "http://system.example:2")
    assert found["no"].startswith("models.example,127.0.0.1")
