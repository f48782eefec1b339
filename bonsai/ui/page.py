"""The page: built by a function from what it has to offer, and opened with one set of launch arguments."""

import sys
from html import escape
from pathlib import Path

import gradio as gr

from bonsai.chains.formats import format_name
from bonsai.chains.prompts import choose_variant, load_variants
from bonsai.chains.questions import load_starters
from bonsai.engines import open_base_engine, open_deferred_engine
from bonsai.engines.base import Engine
from bonsai.engines.deferred import DeferredEngine
from bonsai.errors import EngineError
from bonsai.measures.opening import open_deferred_measure, open_measure
from bonsai.runs.run import Run, read_run
from bonsai.settings import ROOT, SMOLLM2, Settings
from bonsai.ui import api, tabs
from bonsai.ui.context import PageContext
from bonsai.ui.locales.translate import short_name, translatable
from bonsai.ui.serving import check_address, serve

EXAMPLES = ROOT / "examples"
PROMISE = "Grow better questions: watch a small language model reason, answer and ask on, step by step."
SMALL_MODEL = "answers here: a small model that runs on any machine. It reads English only, and can be wrong."
NO_MODEL = "answers here: no language model, but a program that puts its sentences together by rules, for tests."
NO_LLAMA_CPP = "llama.cpp is not installed here, or not to be had for this platform; without it answers take longer."
PHI_2_FILE = "TheBloke/phi-2-GGUF:Q4_K_M"
# Seconds: how often files that visitors could download are looked through, and how old they may become.
FILES_ARE_DELETED = (3600, 6 * 3600)


def run(settings: Settings, host: str | None = None, port: int | None = None) -> None:
    """Open the page for `settings` and keep it open; its model is loaded while it is there already.

    Raises BonsaiError if the page cannot be opened or the model cannot be loaded.
    """
    variants = load_variants(settings.prompts)
    if settings.prompt:
        choose_variant(variants, settings.prompt)
    starters = load_starters(EXAMPLES / "questions.csv")
    engine = open_deferred_engine(settings)
    base_engine, why_not = None, None
    if engine.info.adapter_id:
        try:
            base_engine = open_base_engine(settings, engine)
        except EngineError as error:
            why_not = error
    # What was set wrong has been told by now.
    host, port = check_address(host, port)
    # On ZeroGPU workers are forked, with all that is loaded by then.
    measure, late = (open_measure(settings, at_once=True), []) if settings.zero_gpu else open_deferred_measure(settings)
    examples = load_examples(EXAMPLES)
    context = PageContext(engine, settings, variants, starters, examples, measure, base_engine, why_not)
    demo = build(context)
    serve(demo, host, port)
    try:
        if isinstance(engine, DeferredEngine):
            engine.open()
            engine.wait()
            print("The model is loaded.", file=sys.stderr, flush=True)
        # One after the other: transformers cannot be imported on two threads at a time.
        for embedder in late:
            embedder.open()
        if isinstance(base_engine, DeferredEngine):
            base_engine.open()
        demo.block_thread()
    except KeyboardInterrupt:
        return
    finally:
        demo.close(verbose=False)


def load_examples(folder: Path) -> dict[str, Run]:
    """Return the saved run of each tab that `folder` has one for."""
    return {tab: read_run(file) for tab in tabs.TABS if (file := folder / f"{tab}.json").is_file()}


def build(context: PageContext) -> gr.Blocks:
    """Return the page; raise PromptError if there is no such prompt variant as its settings choose."""
    choose_variant(context.variants, context.prompt)
    demo: gr.Blocks
    with gr.Blocks(title="Bonsai", analytics_enabled=False, delete_cache=FILES_ARE_DELETED) as demo:
        _header(context)
        tabs.draw(demo, context)
        api.publish(context)
        runs = context.engine.info.max_concurrent_runs
        demo.queue(default_concurrency_limit=runs, max_size=context.settings.queue_size)
    return demo


def _is_known(engine: Engine) -> bool:
    """Say whether it can be told how the model is prompted, perhaps before it is loaded."""
    return engine.is_ready or bool(engine.info.prompt_format or engine.info.chat_template)


def _header(context: PageContext) -> None:
    engine = context.engine
    with gr.Column(elem_classes="bonsai-header"):
        gr.HTML(f'<h1>Bonsai</h1><p class="promise">{translatable(PROMISE)}</p>')
        with gr.Row(elem_classes="bonsai-chips"):
            for name, value in (
                ("Model", engine.info.model_id),
                ("Adapter", engine.info.adapter_id),
                ("Device", engine.info.device),
                ("Engine", engine.info.name),
                ("Measure", short_name(context.measure.name)),
                *([("Prompt format", format_name(engine.info))] if _is_known(engine) else ()),
                *([("Memory", f"{engine.info.memory_bytes / 2**30:.1f} GB")] if engine.info.memory_bytes else ()),
            ):
                # One mark of `t` to a component: the name is the browser's to translate, unless the value is.
                gr.HTML(
                    f"<b>{translatable(name)}</b> {escape(value)}" if value else f"{translatable('no adapter')}",
                    min_width=0,
                )
        if engine.info.is_stand_in:
            with gr.Row(elem_classes="bonsai-notice"):
                said = NO_MODEL if engine.info.name == "echo" else SMALL_MODEL
                gr.HTML(f"<p><b>{escape(engine.info.model_id)}</b> {translatable(said)}</p>")
                gr.HTML(
                    f"<p>{translatable('To load PHI-2 (1.8 GB):')} <code>BONSAI_MODEL={PHI_2_FILE} make run</code></p>"
                )
                gr.HTML(f"<p>{translatable('or open this page on a Space with a GPU.')}</p>")
                if engine.info.model_id == SMOLLM2 and engine.info.name != "llama-cpp":
                    gr.HTML(f"<p>{translatable(NO_LLAMA_CPP)}</p>")
