"""The endpoints that take a saved run and those with more than a question: what goes in, what comes out."""

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from bonsai.chains.advance import advance
from bonsai.chains.chain import new_chain
from bonsai.chains.prompts import load_variants
from bonsai.engines.base import SamplingParams
from bonsai.engines.echo import EchoEngine
from bonsai.runs.run import Run, dumps, loads
from bonsai.settings import Settings

SETTINGS = Settings(max_steps=6, max_new_tokens=200, max_questions=30)
QUESTION = "Why did productivity stop growing?"
ROWS = [
    {"chain": "x", "question": "Why do birds migrate?", "note": 1},
    {"chain": 2, "question": "How do reefs store carbon?", "answer": "In their skeletons.", "note": None},
    {"chain": "x", "question": "Why do birds migrate?", "answer": None},
]


@pytest.fixture(scope="module")
def address(served: Any) -> Iterator[str]:
    """The address of a page."""
    with served(EchoEngine(fail_on="broken"), SETTINGS) as address:
        yield address


def test_rows_come_back_with_their_scores(client: Client) -> None:
    scored = client.predict(ROWS, api_name="/score")
    assert [{name: row[name] for name in given} for row, given in zip(scored, ROWS, strict=True)] == ROWS
    assert [(row["step"], row["similarity"], row["nearest"], row["flags"]) for row in scored] == [
        (1, None, None, ""),
        (1, None, None, ""),
        (2, 1.0, 1, "tautology"),
    ]
    assert [row["new_content"] for row in scored] == [1.0, 1.0, 0.0]
    assert client.predict([], api_name="/score") == []


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([{"question": "Why?"}], "Row 1 must be an object with chain and question"),
        (["Why?"], "Row 1 must be an object"),
        ({"chain": "1"}, "a list of rows"),
        (ROWS * 4000, "There are 12,000 rows; give at most 10,000"),
    ],
)
def test_rows_that_cannot_be_scored_get_a_sentence(client: Client, rows: object, sentence: str) -> None:
    with pytest.raises(AppError, match=sentence):
        client.predict(rows, api_name="/score")


def test_score_is_a_documented_tool(client: Client, address: str) -> None:
    described = client.view_api(return_format="dict", print_info=False)["named_endpoints"]["/score"]
    assert "question chains made elsewhere" in described["description"]
    assert [parameter["parameter_name"] for parameter in described["parameters"]] == ["rows"]
    with urllib.request.urlopen(f"{address}gradio_api/mcp/schema") as answer:
        (tool,) = [tool for tool in json.load(answer) if tool["name"].removeprefix("_") == "score"]
    assert "similarity" in tool["description"]
    assert tool["inputSchema"]["properties"]["rows"]["type"] == "array"


def run_of(method: str = "qtq", **sampling: Any) -> Run:
    """Return a run as the command `ask` makes it with the engine of the page."""
    engine, params = EchoEngine(), SamplingParams(seed=1, **sampling)
    variant = load_variants(SETTINGS.prompts)["assistant"]
    chain = new_chain(QUESTION, method, variant, length=3, candidates=3, seed=1)
    *_, chains = advance(engine, [chain], params)
    return Run(chains, params, engine.info.model_id, engine.info.adapter_id, engine.info.name)


def data_of(run: Run) -> dict[str, Any]:
    """Return a run as the JSON object that its file holds."""
    data: dict[str, Any] = json.loads(dumps(run))
    return data


@pytest.fixture(scope="module")
def run() -> Run:
    """A run of one chain of three steps."""
    return run_of()


def call(client: Client, name: str, given: Any, **options: Any) -> Run:
    """Return the run that an endpoint answers with."""
    return loads(json.dumps(client.predict(given, api_name=name, **options)))


def test_a_branch_asks_a_candidate_after_the_step_and_leaves_the_chain_alone(client: Client, run: Run) -> None:
    step = run.chains[0].steps[0]
    number, other = next(
        (place, one.question)
        for place, one in enumerate(step.candidates, start=1)
        if one.question and one.question != step.next_question
    )
    tree = call(client, "/branch", data_of(run), candidate=number, steps=2)
    assert tree.id == run.id
    assert tree.chains[0] == run.chains[0]
    new = tree.chains[1]
    assert (new.number, new.parent, new.shared, new.finished) == (2, 1, 1, True)
    assert new.steps[0] == step
    assert [row.question for row in new.own_steps][0] == other
    assert len(new.own_steps) == 2
    assert all(row.answer for row in new.own_steps)


def test_an_empty_run_begins_one_that_can_branch(client: Client) -> None:
    begun = call(client, "/branch", {}, question="Why did productivity stop growing?", steps=2)
    (chain,) = begun.chains
    assert (chain.method, chain.finished, len(chain.steps)) == ("qtq", True, 2)
    tree = call(client, "/branch", data_of(begun), step=2, question="Who gains from productivity?")
    assert [one.parent for one in tree.chains] == [0, 1]
    assert chain.moves == "auto"
    (directed,) = call(client, "/branch", {}, question=QUESTION, steps=2, moves="cause").chains
    assert (directed.moves, directed.steps[0].move) == ("cause", "cause")
    for options in ({"chain": 2}, {"step": 2}, {"candidate": 1}):
        with pytest.raises(AppError, match="An empty run has no chain, step or candidate to go on from"):
            call(client, "/branch", {}, question=QUESTION, **options)
    with pytest.raises(AppError, match="The question is empty"):
        call(client, "/branch", {})


@pytest.mark.parametrize(
    ("options", "question", "prompt", "seed"),
    [
        ({"step": 2, "question": "Who gains from productivity?"}, "Who gains from productivity?", "assistant", 1),
        ({"step": 2, "prompt": "logician"}, "", "logician", 1),
        ({"step": 2, "seed": 0}, "", "assistant", 0),
    ],
)
def test_a_branch_begins_a_step_again(
    client: Client, run: Run, options: dict[str, Any], question: str, prompt: str, seed: int
) -> None:
    old, new = call(client, "/branch", data_of(run), **options).chains
    assert new.steps[:1] == old.steps[:1]
    assert [step.question for step in new.own_steps] == [question or old.steps[1].question]
    assert (new.prompt.name, new.seed, new.stop_reason) == (prompt, seed, "done")


def test_a_branch_branches_again_and_no_other_chain_grows(client: Client, run: Run) -> None:
    tree = call(client, "/branch", data_of(run), step=3, question="Who gains from productivity?")
    unfinished = replace(tree.chains[0], stop_reason="", length=9)
    tree = tree.with_chains((unfinished, tree.chains[1]))
    again = call(client, "/branch", data_of(tree), chain=2, step=3, seed=5)
    assert again.chains[:2] == tree.chains
    assert [(chain.number, chain.parent, chain.shared) for chain in again.chains] == [(1, 0, 0), (2, 1, 2), (3, 2, 2)]


def test_the_test_of_a_reasoning_fills_its_step_and_no_other(client: Client, run: Run) -> None:
    tested = call(client, "/test_reasoning", data_of(run), step=2)
    assert [step.reasoning_test is not None for step in tested.chains[0].steps] == [False, True, False]
    test = tested.chains[0].steps[1].reasoning_test
    assert test is not None
    assert test.answer and test.answer_without and test.answer_shuffled
    forgotten = replace(tested.chains[0].steps[1], reasoning_test=None)
    assert forgotten == run.chains[0].steps[1]


@pytest.mark.parametrize("name", ["/branch", "/test_reasoning"])
@pytest.mark.parametrize(
    ("given", "options", "sentence"),
    [
        ({}, {"chain": 9}, "The run has no chain 9; there is 1"),
        ({}, {"step": 4}, "Chain 1 has no step 4; there is 1, 2, 3"),
        ({}, {"step": 0}, "Chain 1 has no step 0"),
        ({"model": "phi-2"}, {}, "Another model or another measure made this run"),
        ({"measure": "all-MiniLM-L6-v2"}, {}, "Another model or another measure made this run"),
        ({"format": 7}, {}, "What was given as run has the format 7; this version reads format 1"),
        ({"chains": []}, {}, "The run has no chain 1; there is none"),
        ({"chains": [{"number": 1}]}, {}, "not a saved run. The key 'method' is missing"),
        ({"sampling": {"stop": [], "max_new_tokens": 201}}, {}, "max_new_tokens of the run is 201; .* at most 200"),
    ],
)
def test_a_run_that_cannot_be_taken_gets_a_sentence(
    client: Client, run: Run, name: str, given: dict[str, Any], options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(AppError, match=sentence):
        client.predict({**data_of(run), **given}, api_name=name, **options)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        (name, {field: value})
        for name, fields in {
            "/branch": ("chain", "step", "candidate", "seed", "steps"),
            "/test_reasoning": ("chain", "step"),
            "/conclude": ("chain",),
        }.items()
        for field in fields
        for value in ("1", None, [1], True)
    ],
)
def test_what_is_no_number_of_a_row_is_named(client: Client, run: Run, name: str, options: dict[str, Any]) -> None:
    with pytest.raises(AppError, match=f"{next(iter(options))} is .*; it must be a number"):
        client.predict(data_of(run), api_name=name, **options)


@pytest.mark.parametrize("name", ["/branch", "/test_reasoning"])
@pytest.mark.parametrize("given", [{"question": "Why?"}, [], None, 3])
def test_what_is_no_run_gets_a_sentence(client: Client, name: str, given: Any) -> None:
    sentence = "The key 'format' is missing" if isinstance(given, dict) else "run must be an object"
    with pytest.raises(AppError, match=sentence):
        client.predict(given, api_name=name)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"candidate": 99}, "Step 1 of chain 1 has no candidate 99; there is 1, 2, 3"),
        ({"candidate": -1}, "Step 1 of chain 1 has no candidate -1"),
        ({"candidate": 1, "question": "Why?"}, "either a question of yours or a candidate"),
        ({"question": " "}, "The question is empty"),
        ({"prompt": "poet"}, "no prompt variant 'poet'"),
        ({"seed": -2}, "seed is -2"),
        ({"seed": 5, "steps": 7}, "steps is 7; it must be between 1 and 6"),
        ({"seed": 5, "steps": 0}, "steps is 0"),
        ({}, "This branch would be the chain again"),
        ({"question": "word " * 3000}, "the model reads at most 2,048"),
        ({"question": "Is it broken?"}, "told to fail"),
    ],
)
def test_a_branch_that_cannot_be_gets_a_sentence(
    client: Client, run: Run, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(AppError, match=sentence):
        client.predict(data_of(run), api_name="/branch", **options)


def test_a_branch_draws_no_more_candidates_than_the_page_does(client: Client, run: Run) -> None:
    greedy = run.with_chains((replace(run.chains[0], candidates=9),))
    with pytest.raises(AppError, match="candidates of the run is 9; it must be at most 8"):
        client.predict(data_of(greedy), api_name="/branch", seed=5)


def test_a_reasoning_that_is_not_there_or_of_another_model_is_not_tested(client: Client, run: Run) -> None:
    with pytest.raises(AppError, match="no Reasoning with an answer"):
        client.predict(data_of(run_of("single")), api_name="/test_reasoning")
    other = run.with_chains((replace(run.chains[0], model="phi-2"),))
    with pytest.raises(AppError, match="Another model"):
        client.predict(data_of(other), api_name="/test_reasoning")


@pytest.mark.parametrize("name", ["branch", "conclude", "test_reasoning"])
def test_what_takes_a_run_is_a_documented_tool(address: str, name: str) -> None:
    with urllib.request.urlopen(f"{address}gradio_api/mcp/schema") as answer:
        (tool,) = [tool for tool in json.load(answer) if tool["name"].removeprefix("_") == name]
    properties = tool["inputSchema"]["properties"]
    assert "saved run" in tool["description"]
    assert properties["run"]["type"] == "object"
    assert all(described["description"] for described in properties.values())


def test_a_chain_of_a_saved_run_is_concluded(client: Client) -> None:
    concluded = call(client, "/conclude", data_of(run_of("qtq")))
    found = concluded.chains[0].conclusion
    assert found and found.text and not found.writing
    with pytest.raises(AppError, match="nothing to conclude"):
        client.predict(data_of(run_of("single")), api_name="/conclude")


@pytest.mark.parametrize("chain", [0, 1])
def test_a_conclusion_that_fails_is_told(client: Client, run: Run, chain: int) -> None:
    broken = json.loads(dumps(run).replace("productivity stop", "productivity, broken, stop"))
    with pytest.raises(AppError, match="told to fail"):
        client.predict(broken, chain, api_name="/conclude")


def test_every_chain_that_lacks_a_conclusion_is_concluded_and_no_other_grows(client: Client, run: Run) -> None:
    tree = call(client, "/branch", data_of(run), step=3, question="Who gains from productivity?")
    open_chain = replace(tree.chains[0], number=3, stop_reason="", length=9)
    tree = tree.with_chains((*tree.chains, open_chain))
    concluded = call(client, "/conclude", data_of(tree), chain=0)
    assert [bool(chain.conclusion) for chain in concluded.chains] == [True, True, False]
    assert concluded.chains[2] == open_chain
    with pytest.raises(AppError, match="No chain of this run lacks a conclusion"):
        client.predict(data_of(concluded), 0, api_name="/conclude")


def test_no_more_chains_are_concluded_than_a_visitor_may_ask_for(client: Client, run: Run) -> None:
    many = run.with_chains([replace(run.chains[0], number=number) for number in range(1, SETTINGS.max_questions + 2)])
    with pytest.raises(AppError, match="chains of the run is .*; it must be at most"):
        client.predict(data_of(many), 0, api_name="/conclude")


def test_what_a_run_did_not_ask_can_be_asked_next(client: Client, run: Run) -> None:
    first, *_ = client.predict(data_of(run), api_name="/question_bank")
    place = {name: first[name] for name in ("chain", "step", "candidate")}
    *_, new = call(client, "/branch", data_of(run), **place).chains
    assert new.own_steps[0].question == first["question"]


def test_variants_are_compared_and_a_list_is_asked(client: Client) -> None:
    questions = [QUESTION, "Why do we sleep?"]
    rows = client.predict("\n".join(questions), ["assistant", "logician"], repeats=2, seed=4, api_name="/compare")
    assert [(row["question"], row["prompt"], row["seed"]) for row in rows] == [
        (question, prompt, seed) for question in questions for seed in (4, 5) for prompt in ("assistant", "logician")
    ]
    assert all(row["reasoning"] and row["answer"] for row in rows)
    listed = client.predict([*questions, " ", "# is broken?", questions[0]], method="qtq", steps=2, api_name="/batch")
    assert [(row["chain"], row["step"], row["flags"]) for row in listed] == [
        (1, 1, ""),
        (1, 2, ""),
        (2, 1, ""),
        (2, 2, ""),
        (3, 1, "error"),
    ]
    assert listed[0]["prompt"] == "assistant"


@pytest.mark.parametrize(
    ("endpoint", "arguments", "options", "sentence"),
    [
        ("/compare", [QUESTION, []], {}, "No prompt variant is chosen"),
        ("/compare", [QUESTION, ["poet"]], {}, "no prompt variant 'poet'"),
        ("/compare", [" ", ["assistant"]], {}, "The list has no questions"),
        ("/compare", [QUESTION, ["assistant"]], {"repeats": 21}, "repeats is 21; it must be between 1 and 20"),
        ("/compare", [QUESTION, ["assistant"]], {"with_and_without_adapter": True}, "No adapter answers here"),
        ("/compare", [QUESTION, ["assistant"]], {"method": "magic"}, "no method 'magic'"),
        ("/batch", [["Why?", 7]], {}, "questions must be a list of texts"),
        ("/batch", [[]], {}, "The list has no questions"),
        ("/batch", [[f"Why {n}?" for n in range(31)]], {}, "has 31 questions; at most 30"),
        ("/batch", [["Why?"]], {"steps": 7}, "steps is 7; it must be between 1 and 6"),
    ],
)
def test_what_cannot_be_asked_of_many_gets_a_sentence(
    client: Client, endpoint: str, arguments: list[object], options: dict[str, object], sentence: str
) -> None:
    with pytest.raises(AppError, match=sentence):
        client.predict(*arguments, api_name=endpoint, **options)


def test_a_chain_without_progress_ends_unless_it_is_to_go_on(served: Any) -> None:
    asked = [QUESTION, "Who gains from old machines?", "When do wages follow trust?", "How is debt paid back?"]
    said = "Productivity stopped growing as machines grew old, wages and trust fell, and no gains paid the debt back."
    replies = {f"The question was: {one}": after for one, after in zip(asked, [*asked[1:], "Which maps?"], strict=True)}
    with served(EchoEngine(replies={**replies, "Now answer the question": said}), SETTINGS) as address:
        client = Client(address, verbose=False)
        ended, gone_on = (
            client.predict(QUESTION, prompt="instruct", steps=4, stop_without_progress=stops, api_name="/qtq")
            for stops in (True, False)
        )
        client.close()
    assert [row["question"] for row in ended] == asked[:3]
    assert ended[-1]["flags"] == "no-progress"
    assert [row["question"] for row in gone_on] == asked


@pytest.mark.parametrize(
    ("endpoint", "arguments", "sentence"),
    [
        ("/ask", {"question": None}, "question must be a text"),
        ("/qtq", {"question": ["Why?"]}, "question must be a text"),
        ("/two_step", {"question": 7}, "question must be a text"),
        ("/ask", {"question": QUESTION, "prompt": ["assistant"]}, "prompt must be a text"),
        (
            "/qtq",
            {"question": QUESTION, "stop_without_progress": "false"},
            "stop_without_progress must be true or false",
        ),
        ("/compare", {"question": QUESTION, "prompts": "assistant,logician"}, "prompts must be a list of texts"),
        ("/compare", {"question": QUESTION, "prompts": ["assistant"], "method": None}, "method must be a text"),
        ("/batch", {"questions": QUESTION}, "questions must be a list of texts"),
        ("/batch", {"questions": [QUESTION], "prompts": "assistant"}, "prompts must be a list of texts"),
        ("/branch", {"run": "a text"}, "run must be an object"),
        ("/qtq", {"question": QUESTION, "steps": "3"}, "steps is '3'; it must be a number"),
        (
            "/qtq",
            {"question": QUESTION, "temperature": 10**400},
            "temperature is 1000+\\.\\.\\.0+; it must be a number",
        ),
        ("/qtq", {"question": QUESTION, "seed": True}, "seed is True; it must be a number"),
    ],
)
def test_what_is_of_another_type_is_named(
    client: Client, endpoint: str, arguments: dict[str, object], sentence: str
) -> None:
    with pytest.raises(AppError, match=sentence):
        client.predict(api_name=endpoint, **arguments)


def test_a_verdict_is_kept_in_the_run(client: Client) -> None:
    run = json.loads(dumps(run_of("single")))
    judged = client.predict(run, "good", reason="簡潔 🌱 =1+1", api_name="/judge")
    assert judged["verdicts"] == [{"chain": 1, "step": 1, "judgement": "good", "reason": "簡潔 🌱 =1+1"}]
    assert {**judged, "verdicts": []} == {**run, "verdicts": []}
    assert "verdicts" not in client.predict(judged, "none", api_name="/judge")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"verdict": "great"}, "verdict is 'great'; it must be one of good, bad"),
        ({"verdict": "good", "step": 2}, "Chain 1 has no step 2; there is 1."),
        ({"verdict": "better", "beside": 2}, "The run has no chain 2; there is 1."),
        ({"verdict": "good", "step": "one"}, "step is 'one'; it must be a number."),
        ({"verdict": "good", "reason": 5}, "reason must be a text."),
        ({"verdict": "bad", "reason": "x" * 10_001}, "10,001 characters; at most 10,000"),
        ({"verdict": "good", "run": {}}, "The key 'format' is missing"),
    ],
)
def test_what_is_no_verdict_gets_a_sentence(client: Client, given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(AppError, match=sentence):
        client.predict(**{"run": json.loads(dumps(run_of("single"))), **given}, api_name="/judge")
