"""A host and a port at which no page can be opened are told before anything waits for the page."""

import errno
import socket
import subprocess
import sys

import pytest

from bonsai.errors import BonsaiError, UsageError
from bonsai.settings import ROOT
from bonsai.ui.serving import check_address


@pytest.fixture
def port() -> int:
    """A port that nobody uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def unknown(*_: object, **__: object) -> None:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def has_ipv6() -> bool:
    """Say whether this machine has addresses of the new kind, and not Python alone."""
    try:
        with socket.socket(socket.AF_INET6) as tried:
            tried.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "::"])
def test_the_usual_hosts_can_be_used(host: str, port: int) -> None:
    if ":" in host and not has_ipv6():
        pytest.skip("no IPv6")
    check_address(host, port)


@pytest.mark.parametrize("wrong", [0, -1, 65_536, 10**20])
def test_a_port_out_of_range_is_refused_with_the_range(wrong: int) -> None:
    with pytest.raises(UsageError, match=f"port is {wrong}; it must be between 1 and 65535"):
        check_address("127.0.0.1", wrong)


@pytest.mark.parametrize("host", ["999.1.1.1", "192.0.2.1", "a" * 70 + ".example", "x" * 300, "127.0.0.1:7860", "\0"])
def test_a_host_that_is_no_address_of_this_machine_is_not_taken_for_a_port_in_use(
    host: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody outside of this machine is asked for a name.
    if host in ("999.1.1.1", "127.0.0.1:7860"):
        monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(UsageError, match="at the host .* no address of this machine.*0.0.0.0"):
        check_address(host, port)


def test_a_port_in_use_is_named_with_the_next_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BonsaiError, match=f"port {port}: it is in use"):
            check_address("127.0.0.1", port)


def test_a_port_of_the_system_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refused(socket.socket):
        def bind(self, _address: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket, "socket", Refused)
    with pytest.raises(BonsaiError, match="port 80: this user may not use it"):
        check_address("127.0.0.1", 80)


@pytest.mark.process
def test_the_command_ends_with_the_sentence() -> None:
    command = [sys.executable, "-m", "bonsai", "serve", "--port", "99999"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "bonsai: port is 99999; it must be between 1 and 65535.\n"
