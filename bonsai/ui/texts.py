"""What the page says, in English and Japanese; the English sentence is the key.

What stands on the page from the start is translated by the browser (`t`); what is said to one visitor while the page
is used is translated here (`say`), in the language that the visitor's browser asks for.
"""

import re

import gradio as gr

from bonsai.ui import manual

ABOUT = "about"
_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)*")

JAPANESE = {
    # header
    "Grow better questions: watch a small language model reason, answer and ask on, step by step.":
        "より良い問いを育てる。小さな言語モデルが考え、答え、次の問いを立てる様子を一歩ずつ見られます。",
    "Model": "モデル",
    "Adapter": "アダプター",
    "Device": "実行環境",
    "Engine": "エンジン",
    "no adapter": "アダプターなし",
    "A small stand-in model answers here, not PHI-2: it shows how everything works, and its answers know little.":
        "ここで答えるのは PHI-2 ではなく、小さな代役モデルです。動作を確かめるためのもので、答えの内容は浅いものです。",
    "To load PHI-2:": "PHI-2 を読み込むには:",
    "or open this page on a Space with a GPU.": "または GPU 付きの Space でこのページを開いてください。",
    # tabs
    "Single question": "単発の質問",
    "Two-step reasoning": "二段階推論",
    "QtQ chain": "QtQ 連鎖",
    "About": "このページについて",
    "One question, one answer.": "一つの質問に、一つの答え。",
    "The model writes its Reasoning first, and then an answer that follows from it.":
        "モデルはまず推論を書き、それをもとに答えを書きます。",
    "From question to question: Reasoning, answer and a deeper next question, which begins the next step.":
        "問いから問いへ。推論、答え、そしてさらに深い次の質問を書き、その質問から次のステップが始まります。",
    # form
    "Question": "質問",
    "Write a question, or pick a starter below": "質問を書くか、下の例から選んでください",
    "Starters": "質問の例",
    "Prompt variant": "プロンプトの種類",
    "Reasons first, then answers clearly. The usual choice.":
        "まず考え、それから明快に答えます。普段はこれを選びます。",
    "Free ideas and fine writing: images, stories, unusual angles.":
        "自由な発想と豊かな表現。比喩や物語、意外な視点を使います。",
    "For plain phi-2, in the question-and-output form that its training knows.":
        "素の phi-2 向け。学習で慣れた指示と出力の形式を使います。",
    "Strict steps: premises first, then what follows from them.":
        "厳密な論理。前提を示し、そこから導かれることを述べます。",
    "Explains across English and Japanese, with an eye on what words leave unsaid.":
        "英語と日本語の間を行き来し、言葉に表れない含みにも目を配って説明します。",
    "Steps": "ステップ数",
    "How many questions the chain asks, the first one included": "連鎖の中の質問の数（最初の質問を含む）",
    "Candidates": "候補の数",
    "Next questions to choose from; those that repeat an earlier one are dropped":
        "次の質問の候補の数。前の質問の繰り返しになるものは除かれます",
    "Sampling": "サンプリング",
    "New tokens": "新しいトークン数",
    "The most tokens of one text": "一つの文章の最大トークン数",
    "Temperature": "温度",
    "0 takes the likeliest word each time": "0 では毎回もっとも確率の高い語を選びます",
    "Top p": "Top p",
    "1 keeps every word": "1 ではすべての語を残します",
    "Top k": "Top k",
    "0 keeps every word": "0 ではすべての語を残します",
    "Repetition penalty": "繰り返しの抑制",
    "1 leaves repeated words alone": "1 では抑制しません",
    "Seed": "シード",
    "Same seed and settings, same table": "シードと設定が同じなら、同じ表になります",
    "Run": "実行",
    "Stop": "停止",
    "Clear": "クリア",
    # results
    "Table": "表",
    "Report": "レポート",
    "Download CSV": "CSV をダウンロード",
    "Download Markdown": "Markdown をダウンロード",
    "Download JSON": "JSON をダウンロード",
    "Example, made with the small stand-in model. Your own run will take its place.":
        "小さな代役モデルによる例です。実行すると、その結果に置き換わります。",
    "No results yet. Press Run, and every finished step becomes a row here.":
        "まだ結果はありません。実行すると、終わったステップがここに一行ずつ加わります。",
    "Run {}. Finished steps: {}": "実行 {}。終わったステップ: {}",
    # live step
    "Reasoning": "推論",
    "Answer": "答え",
    "Next question": "次の質問",
    "Step {} of {}": "ステップ {} / {}",
    "{} s": "{} 秒",
    "The step being written appears here.": "書かれていくステップがここに表示されます。",
    # states
    "Ready. Write a question or pick a starter, then press Run.":
        "準備完了。質問を書くか例を選び、「実行」を押してください。",
    "Waiting for a free place. It begins by itself.": "順番を待っています。空き次第、自動的に始まります。",
    "Writing the Reasoning.": "推論を書いています。",
    "Writing the answer.": "答えを書いています。",
    "Writing the next question.": "次の質問を書いています。",
    "Done in {} s.": "{} 秒で完了しました。",
    "Ended early: every proposed next question repeats one that was asked before.":
        "ここで終わりました。次の質問の候補がすべて、前の質問の繰り返しになりました。",
    "Ended early: the model proposed no next question.": "ここで終わりました。モデルが次の質問を出しませんでした。",
    "The model could not go on: {}": "モデルが続けられませんでした: {}",
    "Stopped. What was written until then is kept.": "停止しました。それまでに書かれたものは残っています。",
    "Stopped before anything was written.": "何も書かれないうちに停止しました。",
    "The run ended here; the message says why.": "ここで終わりました。理由はメッセージをご覧ください。",
    "Too many visitors are waiting. Try again in a minute.":
        "順番待ちの方が多すぎます。一分ほどしてからもう一度お試しください。",
    "Something unexpected went wrong, and the run ended here. Try again.":
        "予期しない問題が起き、実行はここで終わりました。もう一度お試しください。",
    "The run ended": "実行が終わりました",
    # what the floors below refuse
    "The question is empty. Write a question, or pick one of the starters.":
        "質問が空です。質問を書くか、例から選んでください。",
    "The question is too long: with its prompt it has {} tokens, and the model reads at most {}, the answer included. "
    "Shorten it.":
        "質問が長すぎます。プロンプトを含めて {} トークンあり、"
        "モデルが読めるのは答えも含めて最大 {} トークンです。短くしてください。",
}  # fmt: skip

I18N = gr.I18n(
    en={key: key for key in JAPANESE} | {ABOUT: manual.ENGLISH},
    ja=JAPANESE | {ABOUT: manual.JAPANESE},
)


def t(text: str) -> str:
    """Return a mark that the browser replaces by `text` in the visitor's language; one of these to a string."""
    return str(I18N(text)) if text in I18N.translations["ja"] else text


def language(request: gr.Request | None) -> str:
    """Return "ja" for a visitor whose browser asks for Japanese first, else "en"."""
    asked = str(request.headers.get("accept-language", "")) if request is not None else ""
    return "ja" if asked.strip().lower().startswith("ja") else "en"


def say(tongue: str, sentence: str, *values: object) -> str:
    """Return the sentence in the language `tongue`, with the values in its places."""
    return (JAPANESE.get(sentence, sentence) if tongue == "ja" else sentence).format(*values)


def say_error(tongue: str, message: str) -> str:
    """Return the message of a BonsaiError in the language `tongue`, or as it is where there is no translation."""
    sentence = _NUMBER.sub("{}", message)
    return say(tongue, sentence, *_NUMBER.findall(message)) if sentence in JAPANESE else message
