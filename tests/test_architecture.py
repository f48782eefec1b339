"""The architecture beyond import-linter's contracts: circles, heavy imports, and how long modules and functions are."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

HEAVY = {"torch", "transformers", "peft", "sentence_transformers", "gradio", "llama_cpp", "xllamacpp"}
# The modules that may import a model library at their head: all others are imported without one.
HOMES = (
    "bonsai.engines",
    "bonsai.lab",
    "bonsai.measures.embedders.bert",
    "bonsai.measures.embedders.packed_e5",
    "bonsai.measures.embedders.sentence",
    "bonsai.ui",
    *(f"bonsai.cli.commands.{name}" for name in ("bench", "merge", "serve", "train")),
    "bonsai.__main__",
    "app",
)
DRAWERS = {"utils", "util", "helpers", "common", "misc", "types", "constants"}
LONGEST_MODULE, LONGEST_FUNCTION = 250, 40
# Imports inside functions, each with its reason beside it: what is heavy and not needed by everybody.
MOST_LOCAL_IMPORTS = 9


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


def test_no_import_goes_in_a_circle() -> None:
    try:
        TopologicalSorter({module: own_imports_of(module) for module in FILES}).prepare()
    except CycleError as error:
        pytest.fail(f"These modules import each other in a circle: {' <- '.join(error.args[1])}.")


@every_module
def test_only_the_settings_read_the_environment(module: str) -> None:
    used = {ast.unparse(node) for node in ast.walk(tree_of(module)) if isinstance(node, ast.Attribute)}
    strays = used & {"os.environ", "os.environb", "os.getenv", "os.putenv"}
    assert not strays or module == "bonsai.settings", f"{module} uses {sorted(strays)}; only bonsai.settings may."


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
    assert "bonsai.cli.main" in imported
    assert not imported & {"torch", "transformers", "peft", "gradio", "spaces", "pandas", "numpy"}


def test_what_needs_no_model_imports_no_model_library() -> None:
    names = [name for name in FILES if not name.startswith(HOMES)]
    script = f"import sys, {', '.join(names)}; print(*sys.modules.keys() & {HEAVY})"
    assert run_python("-c", script).stdout.split() == []


@pytest.mark.parametrize("folder", sorted({file.parent for file in FILES.values()} - {ROOT}), ids=str)
def test_a_folder_is_seen_at_a_glance(folder: Path) -> None:
    # A folder that git has left holds what Python compiled, and nothing else.
    folders = [entry for entry in folder.iterdir() if entry.is_dir() and {*entry.iterdir()} - {entry / "__pycache__"}]
    entries = [entry for entry in (*folders, *folder.glob("*.py")) if entry.name != "__pycache__"]
    named = [entry.name for entry in entries if entry.name not in ("__init__.py", "__main__.py")]
    most = 12 if folder.name in ("commands", "bonsai", "chains") else 10
    assert len(named) <= most, f"{folder} has {len(named)} entries: {sorted(named)}"


def test_few_imports_are_inside_functions_and_each_says_why() -> None:
    found, silent = [], []
    for module in FILES:
        lines = FILES[module].read_text(encoding="utf-8").splitlines()
        for function in ast.walk(tree_of(module)):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for node in function.body:
                    for item in ast.walk(node):
                        if isinstance(item, ast.Import | ast.ImportFrom):
                            found.append(f"{module}, line {item.lineno}")
                            if not lines[item.lineno - 2].strip().startswith("#"):
                                silent.append(found[-1])
    assert len(set(found)) <= MOST_LOCAL_IMPORTS, found
    assert not silent, f"Say in a comment above why it is not at the head of the module: {silent}"


@every_module
def test_module_is_no_drawer(module: str) -> None:
    assert module.rpartition(".")[2] not in DRAWERS, f"{module}: name the module for what it does."


@every_module
def test_module_and_functions_are_short(module: str) -> None:
    assert len(FILES[module].read_text(encoding="utf-8").splitlines()) < LONGEST_MODULE
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines < LONGEST_FUNCTION, f"{module}.{node.name} has {lines} lines; split it."
