"""The floors: who may import what, and how long modules and functions may be."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Floor by floor, and in order within a floor: a module imports only what stands before it. A package that is named
# stands for those of its modules that are not; these import each other without a cycle.
FLOORS = (
    ("bonsai", "bonsai.errors", "bonsai.settings"),
    ("bonsai.engines.base", "bonsai.prompts", "bonsai.questions", "bonsai.sheets", "bonsai.question_lists"),
    (
        "bonsai.embedder", "bonsai.words", "bonsai.measures",
        "bonsai.pieces", "bonsai.guard", "bonsai.reasoning", "bonsai.step", "bonsai.chain", "bonsai.roles",
        "bonsai.advance", "bonsai.ablation",
        "bonsai.engines.echo", "bonsai.engines.late", "bonsai.engines.device", "bonsai.engines.fast_layers",
        "bonsai.engines.prefix_cache", "bonsai.engines.decoding_cache", "bonsai.engines.rows",
        "bonsai.engines.adapter", "bonsai.engines.loading", "bonsai.engines.local",
        "bonsai.engines.cpu_passes", "bonsai.engines.seeded_draw", "bonsai.engines.shared_batch",
        "bonsai.engines.batching", "bonsai.engines.merging",
        "bonsai.engines.counting", "bonsai.engines.streamed", "bonsai.engines.trouble", "bonsai.engines.remote",
        "bonsai.engines",
    ),
    (
        "bonsai.runs", "bonsai.grid", "bonsai.plan", "bonsai.journal", "bonsai.progress",
        "bonsai.markdown", "bonsai.table", "bonsai.comparison", "bonsai.statistics", "bonsai.summary", "bonsai.report",
        "bonsai.llm_comparator", "bonsai.exports", "bonsai.picture", "bonsai.scoring", "bonsai.lease",
        "bonsai.gpu",
    ),
    (
        "bonsai.train", "bonsai.calibration", "bonsai.seedling", "bonsai.bench", "bonsai.ui", "bonsai.commands",
        "bonsai.cli",
    ),
    ("bonsai.__main__", "app"),
)  # fmt: skip
ORDER = [name for floor in FLOORS for name in floor]

WITH_TORCH = (
    "bonsai.engines.device", "bonsai.engines.fast_layers",
    "bonsai.engines.prefix_cache", "bonsai.engines.decoding_cache", "bonsai.engines.rows", "bonsai.engines.adapter",
    "bonsai.engines.loading", "bonsai.engines.local", "bonsai.engines.cpu_passes", "bonsai.engines.seeded_draw",
    "bonsai.engines.shared_batch", "bonsai.engines.batching", "bonsai.engines.merging", "bonsai.train",
    "bonsai.bench", "bonsai.seedling",
)  # fmt: skip
HOMES = {
    "torch transformers": (*WITH_TORCH, "bonsai.embedder"),
    "peft bitsandbytes accelerate safetensors psutil": WITH_TORCH,
    "tokenizers": (*WITH_TORCH, "bonsai.engines.counting"),
    "openai": ("bonsai.engines.remote",),
    "sentence_transformers": ("bonsai.embedder",),
    "scipy": ("bonsai.statistics",),
    "jinja2": ("bonsai.exports",),
    "spaces": ("bonsai.gpu", "app"),
    "gradio": ("bonsai.ui", "bonsai.gpu", "app"),
    "pandas": ("bonsai.table", "bonsai.picture", "bonsai.ui"),
    "os.environ os.environb os.getenv os.putenv": ("bonsai.settings",),
}
BELOW_ENGINES = ("bonsai.errors", "bonsai.settings", "bonsai.engines")
DRAWERS = {"utils", "util", "helpers", "common", "misc", "types", "constants"}
LONGEST_MODULE, LONGEST_FUNCTION = 400, 60


def file_of() -> dict[str, Path]:
    """Return the file of every module of the product by the module's name."""
    files = {"app": ROOT / "app.py"}
    for file in sorted((ROOT / "bonsai").rglob("*.py")):
        files[".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")] = file
    return files


FILES = file_of()
every_module = pytest.mark.parametrize("module", FILES)


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(FILES[module].read_text(encoding="utf-8"))


def imports_of(module: str) -> Iterator[str]:
    """Yield the full name of all that a module imports, wherever in it: `a.b.c` for `from a.b import c`."""
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            yield from (item.name for item in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}, line {node.lineno}: write the whole name of what is imported."
            yield from (f"{node.module}.{item.name}" for item in node.names)


def own_imports_of(module: str) -> set[str]:
    """Return the product's own modules that a module imports."""
    names = {name if name in FILES else name.rpartition(".")[0] for name in imports_of(module)}
    return {name for name in names if name in FILES}


def uses_of(module: str) -> set[str]:
    """Return what a module imports, and `os.environ` where it is used."""
    used = {node for node in ast.walk(tree_of(module)) if isinstance(node, ast.Attribute)}
    return {*imports_of(module), *(ast.unparse(node) for node in used if ast.unparse(node).startswith("os."))}


def within(name: str, homes: tuple[str, ...]) -> bool:
    return any(f"{name}.".startswith(f"{home}.") for home in homes)


def place_of(module: str) -> str:
    """Return the entry of ORDER that a module falls under, "" if there is none."""
    if module in ORDER:
        return module
    packages = [name for name in ORDER if name not in ("bonsai", "bonsai.engines")]
    return next((name for name in packages if module.startswith(f"{name}.")), "")


@every_module
def test_module_has_a_floor(module: str) -> None:
    assert place_of(module), f"{module} has no floor: give it a place in FLOORS, after all that it may import."


@every_module
def test_imports_go_down(module: str) -> None:
    if not (here := place_of(module)):
        return
    below = ORDER[: ORDER.index(here)]
    up = {name for name in own_imports_of(module) if place_of(name) not in (*below, here)}
    assert not up, f"{module} imports {', '.join(sorted(up))}, which stands above it in FLOORS."


def test_no_import_goes_in_a_circle() -> None:
    try:
        TopologicalSorter({module: own_imports_of(module) for module in FILES}).prepare()
    except CycleError as error:
        pytest.fail(f"These modules import each other in a circle: {' <- '.join(error.args[1])}.")


def test_engines_know_nothing_of_questions() -> None:
    for module in (name for name in FILES if within(name, ("bonsai.engines",))):
        strays = {name for name in own_imports_of(module) if not within(name, BELOW_ENGINES)}
        assert not strays, (
            f"{module} imports {', '.join(sorted(strays))}; an engine knows prompts and completions only."
        )


@every_module
def test_libraries_stay_in_their_homes(module: str) -> None:
    for libraries, homes in HOMES.items():
        strays = {name for name in uses_of(module) if within(name, tuple(libraries.split()))}
        assert not strays or within(module, homes), f"{module} uses {sorted(strays)}: only {', '.join(homes)} may."


def test_app_imports_spaces_first() -> None:
    assert next(imports_of("app")) == "spaces", "ZeroGPU must patch torch before anything else can import it."


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done


def test_help_imports_nothing_heavy() -> None:
    done = run_python("-X", "importtime", "-m", "bonsai", "--help")
    assert "usage:" in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "bonsai.cli" in imported
    assert not imported & {"torch", "transformers", "peft", "gradio", "spaces", "pandas", "numpy"}


def test_only_the_homes_of_torch_import_it() -> None:
    names = [name for name in FILES if not within(name, (*WITH_TORCH, "app")) and not name.endswith("__main__")]
    heavy = {"torch", "transformers", "peft", "sentence_transformers"}
    script = f"import sys, {', '.join(names)}; print(*sys.modules.keys() & {heavy})"
    assert run_python("-c", script).stdout.split() == []


@every_module
def test_module_is_no_drawer(module: str) -> None:
    assert module.rpartition(".")[2] not in DRAWERS, f"{module}: name the module for what it does."


@every_module
def test_module_and_functions_are_short(module: str) -> None:
    assert len(FILES[module].read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= LONGEST_FUNCTION, f"{module}.{node.name} has {lines} lines; split it."
