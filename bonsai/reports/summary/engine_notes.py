"""What there is to know of how a model answered: what engines note of a run, told in the language of a report."""

from collections.abc import Iterable

from bonsai.engines.hub import OTHER_BASE
from bonsai.errors import Note
from bonsai.measures.terms import has_no_word_breaks
from bonsai.reports.formats import Language
from bonsai.runs.run import Run
from bonsai.settings import SMOLLM2

ENGLISH_ONLY = "{model} reads English only: what it says to a question in Japanese or Chinese means nothing."

JAPANESE = {
    "The server at {server} does not take {options}, so it was left out.": (
        "サーバー {server} は {options} に対応していないため、指定せずに問い合わせました。"
    ),
    "The same seed may give another text.": "シードが同じでも、違う文章になることがあります。",
    "The server at {server} gives one text a request, so candidates were asked for one by one.": (
        "サーバー {server} は一度に一つの文章しか返さないため、候補を一つずつ問い合わせました。"
    ),
    "The server at {server} takes no system message, so what it would say stood in the first turn.": (
        "サーバー {server} はシステムメッセージに対応していないため、その内容を最初の発言に入れました。"
    ),
    "No model was named, so the first was asked that the server lists: {model}.": (
        "モデルの指定がないため、サーバーの一覧で最初の {model} に問い合わせました。"
    ),
    "The server at {server} has no plain completions, so it was asked in a chat.": (
        "サーバー {server} は文章の続きを書く API を持たないため、チャットとして問い合わせました。"
    ),
    "The server at {server} does not say how much its model reads, so {tokens} tokens were assumed.": (
        "サーバー {server} はモデルが読める長さを示さないため、{tokens} トークンと見なしました。"
    ),
    "llama.cpp computes with the weights that a GGUF file has, so {setting} was left out.": (
        "llama.cpp は GGUF ファイルの重みをそのまま使うため、{setting} は使われていません。"
    ),
    "The server at {server} has its weights loaded, so {setting} was left out.": (
        "サーバー {server} の重みは読み込み済みのため、{setting} は使われていません。"
    ),
    ENGLISH_ONLY: "{model} は英語しか読めません。日本語や中国語の質問に書いたものには意味がありません。",
    OTHER_BASE: (
        "アダプター {adapter} は {base} で学習したもので、ここでは {model} と使われています。"
        "モデルだけのときより文章が悪くなることがあります。"
    ),
}
"""The English sentence with its fields is the key."""


def notes(run: Run, questions: Iterable[object], language: Language) -> str:
    """Return what a person should know of the texts of a run, in English where there is no translation."""
    known = [one.note for one in run.notes]
    if run.model == SMOLLM2 and any(has_no_word_breaks(str(question)) for question in questions):
        known.append(Note(ENGLISH_ONLY, model=run.model))
    if language == Language.JA:
        return " ".join(note.translated(lambda sentence: JAPANESE.get(sentence, sentence)) for note in known)
    return " ".join(map(str, known))
