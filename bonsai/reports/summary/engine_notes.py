"""What engines note of a run, told in the language of a report."""

from bonsai.engines.hub import OTHER_BASE
from bonsai.reports.formats import Language
from bonsai.runs.run.answering import RunNote

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
    OTHER_BASE: (
        "アダプター {adapter} は {base} で学習したもので、ここでは {model} と使われています。"
        "モデルだけのときより文章が悪くなることがあります。"
    ),
}
"""The English sentence with its fields is the key."""


def told(note: RunNote, language: Language) -> str:
    """Return the sentence of a note, in English where there is no translation."""
    if language == Language.JA:
        return note.note.translated(lambda sentence: JAPANESE.get(sentence, sentence))
    return str(note.note)
