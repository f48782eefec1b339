"""How many threads torch has where it only compares questions: a server has the cores."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bonsai.engines.echo import EchoEngine
from bonsai.settings import ROOT
from tests.engines.small_server import SmallServer

pytestmark = pytest.mark.process


def threads(settings: str, first: str, **more: str) -> str:
    """Return how many threads torch has in a process that opens the engine of `settings`."""
    script = f"""
{first}
from bonsai.engines import open_engine
from bonsai.settings import Settings
open_engine(Settings({settings}))
import torch
print(torch.get_num_threads())
"""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"} | more
    command = [sys.executable, "-c", script]
    return subprocess.check_output(command, cwd=ROOT, env=environment, text=True).strip()


@pytest.mark.parametrize("first", ["import torch", "pass"])
def test_torch_computes_on_one_thread_beside_llama_cpp(gguf_file: Path, first: str) -> None:
    assert threads(f'engine="llama-cpp", model={str(gguf_file)!r}', first) == "1"


def test_torch_computes_on_one_thread_beside_a_server_that_may_be_on_this_machine() -> None:
    with SmallServer(EchoEngine()).running() as server:
        asked = f'engine="remote", base_url={server.url!r}'
        assert threads(asked, "import torch") == "1"
        assert threads(asked, "pass", OMP_NUM_THREADS="2") == str(min(2, os.cpu_count() or 1))
