"""The benchmark as a whole: all models and workloads, their figures as JSON, and as a table to read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any

from bonsai.chains.prompts import PromptVariant
from bonsai.chains.questions import Starter
from bonsai.lab.bench.measuring import machine, measure
from bonsai.lab.bench.opening import Opened
from bonsai.lab.bench.subjects import BenchModel, subject
from bonsai.lab.bench.ways import Way, way_in_a_process
from bonsai.lab.bench.workloads import Workload, workloads
from bonsai.settings import Settings

_LIBRARIES = ("torch", "transformers", "peft", "accelerate")
_QUICK_SHARE = 1 / 12
_DECODED_TOKENS, _TIMES_DECODED = 128, 3


@dataclass(frozen=True)
class Bench:
    """What is measured: the engine, the names of workloads, how many pairs, and whether all is short."""

    settings: Settings
    engine: str
    variant: PromptVariant
    starters: Sequence[Starter]
    names: Sequence[str]
    pairs: int = 3
    quick: bool = False

    def run(self, models: Sequence[str], say: Callable[[str], None]) -> dict[str, Any]:
        """Return the figures of all workloads on the models; `say` is told how far it is."""
        found: list[dict[str, Any]] = []
        streams, same = {}, {}
        for name in models:
            with subject(name, self.settings) as one, ExitStack() as processes:
                say(f"{name}: loading")
                opened, ways = self._open(one, processes)
                found += self._measured(name, ways, say)
                streams[name] = self._stream(ways["bonsai"], opened.weight_bytes)
                alike = ways["usual"].likeliest() == ways["bonsai"].likeliest()
                same[name] = {"dtype": opened.weights, "likeliest_text_is_the_usual_ways": alike}
                same[name] |= self._texts(ways["bonsai"])
        return {
            "machine": machine(),
            "versions": {name: version(name) for name in _LIBRARIES},
            "engine": self.engine,
            "quick": self.quick,
            "workloads": found,
            "single_stream": streams,
            "same_texts": same,
        }

    def _open(self, model: BenchModel, processes: ExitStack) -> tuple[Opened, dict[str, Way]]:
        """Return what is told of Bonsai's engine with a model, and all ways, in the order in which they run."""
        settings = model.settings(self.settings)
        usual, bonsai = (processes.enter_context(way_in_a_process()) for _ in range(2))
        opened = bonsai.open_bonsai(self.engine, settings, self._share)
        usual.open_usual(model, opened, self._share)
        ways = {"usual": usual, "bonsai": bonsai}
        if opened.has_client:
            client = processes.enter_context(way_in_a_process())
            client.open_client(settings, opened, self._share)
            ways["client"] = client
        return opened, ways

    def _measured(self, name: str, ways: Mapping[str, Way], say: Callable[[str], None]) -> Iterator[dict[str, Any]]:
        """Yield the figures of each workload on a model."""
        # Whatever is done but once is done before anything is counted.
        measure(ways, self._short[0], name, self.engine, 1)
        for workload in self._short if self.quick else workloads(self.variant, self.starters):
            if workload.name in self.names:
                figures = measure(ways, workload, name, self.engine, self.pairs)
                say(f"{name}: {workload.name}: {figures['ratio']:.2f} times as fast as the usual way")
                yield figures

    def _stream(self, bonsai: Way, weight_bytes: int) -> dict[str, Any]:
        rate = bonsai.single_stream(round(_DECODED_TOKENS * self._share), 1 if self.quick else _TIMES_DECODED)
        return {
            "tokens_per_second": round(rate, 2),
            "weight_bytes": weight_bytes,
            "weight_bytes_per_second": round(rate * weight_bytes),
        }

    def _texts(self, bonsai: Way) -> dict[str, int]:
        """Return how many texts were drawn in all workloads, and how many of them depended on the workload."""
        known: dict[tuple[str, int], str] = {}
        changed = 0
        for workload in self._short:
            drawn = bonsai.run(workload).drawn
            changed += sum(known.get(key, text) != text for key, text in drawn.items())
            known |= drawn
        return {"texts": len(known), "texts_that_changed": changed}

    @property
    def _share(self) -> float:
        return _QUICK_SHARE if self.quick else 1.0

    @cached_property
    def _short(self) -> Sequence[Workload]:
        return workloads(self.variant, self.starters, quick=True)


def problems(data: dict[str, Any]) -> list[str]:
    """Return what makes the figures worthless: work that was not the same, or texts that are not and had to be.

    In numbers of 16 bits a text may depend on what shares its batch, so there it is only told.
    """
    found = [f"{one['model']}, {one['name']}: {text}" for one in data["workloads"] for text in one["problems"]]
    for name, same in data["same_texts"].items():
        if same["dtype"] == "float32" and not same["likeliest_text_is_the_usual_ways"]:
            found.append(f"{name}: the likeliest text is not that of the usual way")
        if same["dtype"] == "float32" and same["texts_that_changed"]:
            found.append(f"{name}: {same['texts_that_changed']} texts depend on what shares their batch")
    return found


def table(data: dict[str, Any]) -> str:
    """Return the figures in Markdown."""
    machine = data["machine"]
    place = machine["gpu"] or f"{machine['cores']} CPU cores, {machine['threads']} threads"
    libraries = ", ".join(f"{name} {number}" for name, number in data["versions"].items())
    lines = [
        f"Engine `{data['engine']}` on {place}; {libraries}.",
        "",
        "| model | workload | tokens | usual way | Bonsai | ratio | tokens/s | first text | memory | |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in data["workloads"]:
        growth = f"last steps {one['step_growth']:.2f} times the first" if one["step_growth"] else ""
        client = ""
        if one["client_seconds"]:
            client = f"the plain client: {one['client_seconds']:.1f} s, **{one['client_ratio']:.2f}** times as long"
        said = [growth, client, *one["problems"]]
        notes = "; ".join(text for text in said if text)
        first = f"{one['first_text_seconds']:.2f} s, not {one['usual_first_text_seconds']:.2f} s"
        lines.append(
            f"| {one['model']} | {one['name']} | {one['tokens']:,} | {one['usual_seconds']:.1f} s "
            f"| {one['bonsai_seconds']:.1f} s | **{one['ratio']:.2f}** | {one['tokens_per_second']:.0f} | {first} "
            f"| {one['peak_memory_bytes'] / 2**30:.2f} GB | {notes} |"
        )
    bandwidth = machine.get("gpu_bandwidth_bytes_per_second")
    for name, stream in data["single_stream"].items():
        share = f", {stream['weight_bytes_per_second'] / bandwidth:.0%} of the bandwidth limit" if bandwidth else ""
        lines += ["", f"One completion alone on {name}: {stream['tokens_per_second']:.0f} tokens/s{share}."]
    for name, same in data["same_texts"].items():
        usual = "is" if same["likeliest_text_is_the_usual_ways"] else "is not"
        lines += [
            "",
            f"On {name} ({same['dtype']}) the likeliest text {usual} that of the usual way; of {same['texts']} texts "
            f"drawn, {same['texts_that_changed']} changed with what shared their batch.",
        ]
    return "\n".join(lines) + "\n"
