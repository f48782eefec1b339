"""Moves: each candidate has a direction, another one as long as there are some left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonsai.chains.advance import advance
from bonsai.chains.chain import Chain, branch_in_direction, new_chain
from bonsai.chains.guard import Candidate, choose, judge, without_duplicates
from bonsai.chains.moves import AUTO, SENTENCES, Move, next_moves, parse_moves
from bonsai.chains.outcomes import Role, Verdict
from bonsai.chains.prompts import load_variants
from bonsai.chains.roles import CANDIDATE_TEMPERATURE, next_request
from bonsai.engines.base import SamplingParams
from bonsai.engines.echo import EchoEngine
from bonsai.errors import UsageError
from bonsai.settings import ROOT

VARIANT = load_variants(ROOT / "prompts")["assistant"]
SAMPLING = SamplingParams(max_new_tokens=60)
MOVES = st.sampled_from(list(Move))


def grown(moves: str, steps: int = 4, candidates: int = 3, seed: int = 1) -> Chain:
    chain = new_chain(
        "Why does rain smell?", "qtq", VARIANT, length=steps, candidates=candidates, seed=seed, moves=moves
    )
    *_, (last,) = advance(EchoEngine(), [chain], SAMPLING)
    return last


@given(st.sets(MOVES), st.integers(1, 12), st.integers(0, 2**31 - 1))
def test_untaken_moves_come_first_and_none_twice_while_there_are_others(
    taken: set[Move], count: int, start: int
) -> None:
    moves = next_moves(AUTO, taken, (), count, start)
    assert len(moves) == count
    assert len(set(moves)) == min(count, len(Move))
    assert set(moves[: len(Move) - len(taken)]).isdisjoint(taken)


def test_a_second_try_asks_in_other_directions() -> None:
    first = next_moves(AUTO, (), (), 4, 1)
    assert set(next_moves(AUTO, (), first, 4, 1)).isdisjoint(first)


def test_a_chain_takes_many_moves_and_says_them() -> None:
    chain = grown(AUTO)
    assert len(set(chain.taken)) == len(chain.taken) == len(chain.steps)
    for step in chain.steps:
        chosen = next(one for one in step.candidates if one.question == step.next_question)
        assert step.move == chosen.move


def test_each_candidate_is_asked_with_the_sentence_of_its_move() -> None:
    chain = grown(AUTO, steps=1)
    request = next_request(EchoEngine(), branch_in_direction(chain, number=2, step=1, moves=AUTO), SAMPLING)
    assert len(set(request.prompts)) == len(request.moves) == 3
    for prompt, move in zip(request.prompts, request.moves, strict=True):
        assert SENTENCES[Move(move)] in prompt.text


@pytest.mark.parametrize(("moves", "expected"), [("", {""}), ("evidence", {"evidence"})])
def test_moves_can_be_off_or_one(moves: str, expected: set[str]) -> None:
    chain = grown(moves)
    assert {one.move for step in chain.steps for one in step.candidates} == expected
    assert {step.move for step in chain.steps} == expected


@pytest.mark.parametrize(
    ("text", "moves"),
    [("auto", "auto"), ("off", ""), ("", ""), ("Other-View", "other view"), (" evidence ", "evidence")],
)
def test_moves_are_read_as_people_write_them(text: str, moves: str) -> None:
    assert parse_moves(text) == moves


def test_an_unknown_move_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match=r"no move 'sideways'; choose auto, off, or one of cause, .*measure"):
        parse_moves("sideways")


def test_candidates_are_warmer_than_texts_unless_all_is_the_likeliest() -> None:
    chain = branch_in_direction(grown(AUTO, steps=1), number=2, step=1, moves=AUTO)
    for given_, used in ((0.3, CANDIDATE_TEMPERATURE), (1.0, 1.0), (0.0, 0.0)):
        request = next_request(EchoEngine(), chain, SamplingParams(temperature=given_))
        assert {one.temperature for one in request.sampling} == {used}


def test_a_candidate_that_asks_what_another_asks_is_counted_once() -> None:
    texts = ["How do roots find water?", "How do roots find water?", "Why do leaves fall in autumn?", ""]
    judged = without_duplicates([judge(text, 1, ["Why do trees grow?"]) for text in texts])
    assert [one.verdict for one in judged] == [Verdict.ACCEPTED, Verdict.DUPLICATE, Verdict.ACCEPTED, Verdict.EMPTY]
    assert judged[1].finding == "duplicate of candidate 1"
    (again,) = without_duplicates([judge(texts[2], 1, ["Why do trees grow?"])], judged)
    assert again.same_as == 3


def test_an_untaken_move_counts_a_little_more() -> None:
    def candidate(question: str, closeness: float, move: str) -> Candidate:
        return Candidate(question, Verdict.ACCEPTED, 1, closeness=closeness, move=move)

    near, new = candidate("A?", 0.50, "cause"), candidate("B?", 0.45, "measure")
    much = candidate("C?", 0.70, "cause")
    assert choose([near, new], taken=["cause"]) is new
    assert choose([near, new]) is near
    assert choose([near, new, much], taken=["cause"]) is much


def test_a_branch_in_a_direction_keeps_the_texts_and_asks_anew() -> None:
    chain = grown(AUTO)
    begun = branch_in_direction(chain, number=2, step=2, moves="evidence")
    assert begun.steps[-1].writing == Role.NEXT_QUESTION
    *_, (last,) = advance(EchoEngine(), [begun], SAMPLING)
    assert [step.answer for step in last.steps[:2]] == [step.answer for step in chain.steps[:2]]
    assert (last.shared, last.parent, set(last.taken[1:])) == (1, 1, {"evidence"})
    assert len(last.steps) == len(chain.steps)
    with pytest.raises(UsageError, match="steps 1 to 4, not 5"):
        branch_in_direction(chain, number=2, step=5, moves="evidence")
