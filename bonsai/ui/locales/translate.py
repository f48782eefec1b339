"""What the page says, in English and Japanese; the English sentence is the key.

What stands on the page from the start is translated by the browser (`t`); what is said to one visitor while the page
is used is translated here (`say`), in the language that the visitor's browser asks for.
"""

from pathlib import Path

import gradio as gr
import yaml

from bonsai.errors import BonsaiError, Note
from bonsai.reports.formats import Language
from bonsai.ui.locales import manual

ABOUT = "about"
SENTENCES: dict[str, str] = yaml.safe_load(Path(__file__).with_name("sentences.ja.yaml").read_text(encoding="utf-8"))
"""What notes and errors say, in Japanese; the English sentence with its fields is the key."""

JAPANESE = {
    # header
    "Grow better questions: watch a small language model reason, answer and ask on, step by step.": "より良い問いを育てる。小さな言語モデルが考え、答え、次の問いを立てる様子を一歩ずつ見られます。",
    "Model": "モデル",
    "Adapter": "アダプター",
    "Device": "実行環境",
    "Engine": "エンジン",
    "Measure": "指標",
    "no adapter": "アダプターなし",
    "Memory": "メモリ",
    "answers here: a small model that runs on any machine, and can be wrong.": "が答えます。どのマシンでも動く小さなモデルで、間違えることがあります。",
    "llama.cpp is not installed here, or not to be had for this platform; without it answers take longer.": "llama.cpp が入っていないか、この環境では使えません。そのため回答に時間がかかります。",
    "To load PHI-2 (1.8 GB):": "PHI-2 (1.8 GB) を読み込むには:",
    "or open this page on a Space with a GPU.": "または GPU 付きの Space でこのページを開いてください。",
    # tabs
    "Single question": "単発の質問",
    "Two-step reasoning": "二段階推論",
    "QtQ chain": "QtQ 連鎖",
    "About": "このページについて",
    "What this adapter changes": "このアダプターで何が変わるか",
    "One question, one answer.": "一つの質問に、一つの答え。",
    "The model writes its Reasoning first, and then an answer that follows from it.": "モデルはまず推論を書き、それをもとに答えを書きます。",
    "From question to question: Reasoning, answer and a deeper next question, which begins the next step.": "問いから問いへ。推論、答え、そしてさらに深い次の質問を書き、その質問から次のステップが始まります。",
    # form
    "Question": "質問",
    "Write a question, or pick a starter below": "質問を書くか、下の例から選んでください",
    "Starters": "質問の例",
    "Prompt variant": "プロンプトの種類",
    "Reasons first, then answers clearly. The usual choice.": "まず考え、それから明快に答えます。普段はこれを選びます。",
    "Free ideas and fine writing: images, stories, unusual angles.": "自由な発想と豊かな表現。比喩や物語、意外な視点を使います。",
    "For plain phi-2, in the question-and-output form that its training knows.": "素の phi-2 向け。学習で慣れた指示と出力の形式を使います。",
    "Strict steps: premises first, then what follows from them.": "厳密な論理。前提を示し、そこから導かれることを述べます。",
    "Explains across English and Japanese, with an eye on what words leave unsaid.": "英語と日本語の間を行き来し、言葉に表れない含みにも目を配って説明します。",
    "Steps": "ステップ数",
    "How many questions the chain asks, the first one included": "連鎖の中の質問の数（最初の質問を含む）",
    "Candidates": "候補の数",
    "Next questions to choose from; those that repeat an earlier one are dropped": "次の質問の候補の数。前の質問の繰り返しになるものは除かれます",
    "Stop when nothing new comes": "新しい内容が出なくなったら止める",
    "Ends the chain when two steps running add next to nothing": "二ステップ続けてほとんど新しい内容がないとき、連鎖を終えます",
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
    "Example, made with a small model. Your own run will take its place.": "小さなモデルによる例です。実行すると、その結果に置き換わります。",
    "No results yet. Press Run, and every finished step becomes a row here.": "まだ結果はありません。実行すると、終わったステップがここに一行ずつ加わります。",
    "Run {}. Finished steps: {}. Measure: {}": "実行 {}。終わったステップ: {}。指標: {}",
    "Picture": "図",
    "New content and similarity in the last chain": "最後の連鎖での新しい内容と類似度",
    "Arrows lead to the next question, dotted ones to the question that is repeated. ✗ marks what was proposed but not "
    "asked.": "矢印は次の質問へ、点線の矢印は繰り返しになっている元の質問へ向かいます。✗ は候補に挙がったものの、採用されなかった質問です。",
    "This run has too many steps for one picture.": "ステップが多すぎて、一枚の図に収まりません。",
    # one step
    "Look at a step": "ステップを詳しく見る",
    "Step": "ステップ",
    "Choose a step here, or click its row in the table": "ここで選ぶか、表の行をクリックしてください",
    "No step is chosen yet.": "まだステップが選ばれていません。",
    "Choose a step first.": "先にステップを選んでください。",
    "This question repeats that of step {}.": "この質問は、ステップ {} の質問の繰り返しです。",
    "There is a Reasoning of its own.": "推論が書かれています。",
    "The model wrote no Reasoning.": "モデルは推論を書きませんでした。",
    "The Reasoning only repeats the question.": "推論は質問を繰り返しているだけです。",
    "The Reasoning only says what the answer says.": "推論は答えと同じことを述べているだけです。",
    "The Reasoning was cut at its most tokens.": "推論はトークン数の上限で切れました。",
    "It was asked for {} times.": "推論は {} 回求められました。",
    "Was the Reasoning used?": "推論は使われたか？",
    "Answering again without the Reasoning, and with its words shuffled.": "推論なしの場合と、推論の語順を入れ替えた場合とで、もう一度答えています。",
    "Without it the answer changes by {without}, with its words shuffled by {shuffled}.": "推論がないと答えは {without} 変わり、語順を入れ替えると {shuffled} 変わります。",
    "With it": "推論あり",
    "Without it": "推論なし",
    "Shuffled": "語順を入れ替え",
    "This step has no Reasoning with an answer, so there is nothing to test.": "このステップには推論と答えがそろっていないため、確かめるものがありません。",
    "Candidates for the next question": "次の質問の候補",
    "Step {}": "ステップ {}",
    "Verdict": "判定",
    "Similarity": "類似度",
    "Closeness": "近さ",
    "taken": "採用",
    "accepted": "合格",
    "empty": "空",
    "not a question": "質問ではない",
    "off topic": "話題から外れている",
    "repeats step {}": "ステップ {} の繰り返し",
    "Download questions": "質問リスト",
    "No good question is left that was not asked; a qtq chain with more candidates has some.": "まだ尋ねていない良い質問は残っていません。候補を増やした QtQ 連鎖なら残ることがあります。",
    "Writing the conclusion.": "結論を書いています。",
    "End with a conclusion": "結論で締めくくる",
    "Answers the first question by what the whole chain found": "連鎖全体で分かったことから、最初の質問に答えます",
    "Chain {} has nothing to conclude; that takes a qtq chain with an answer.": "連鎖 {} には結論を出すものがありません。答えのある QtQ 連鎖が必要です。",
    "Direction": "方向",
    "cause": "原因",
    "mechanism": "しくみ",
    "evidence": "根拠",
    "assumption": "前提",
    "other view": "別の見方",
    "consequence": "結果",
    "example": "具体例",
    "measure": "測り方",
    "Candidate {}": "候補 {}",
    "asks the same as candidate {}": "候補 {} と同じ質問",
    "duplicate": "重複",
    "Another next question: {}": "次の質問を問い直す：{}",
    "auto": "自動",
    "off": "指定なし",
    "Directions": "方向",
    "In which direction each next question goes: another one for each candidate, none, or always one": "次の質問の向き。候補ごとに変える、指定しない、いつも同じ、から選びます",
    "There is no move {name!r}; choose {auto}, {off}, or one of {moves}.": "{name!r} という方向はありません。{auto}、{off}、または次のどれかを選んでください：{moves}。",
    # branch
    "Go on from here another way: a new chain that shares the steps before it. The old one stays.": "ここから別の道へ進みます。前のステップを引き継いだ新しい連鎖が始まり、元の連鎖もそのまま残ります。",
    "Begin with": "始め方",
    "An edited question takes the place of this step's; a candidate is asked after it": "書き換えた質問はこのステップの質問の代わりになり、候補はこのステップの次の質問になります",
    "This step's question, edited": "このステップの質問を書き換える",
    "Candidate {}: {} ({})": "候補 {}: {}（{}）",
    "How many questions the branch asks": "枝の中の質問の数",
    "Branch": "枝分かれ",
    "This branch would be the chain again; change the question, candidate, variant or seed.": "このままでは同じ連鎖になります。質問、候補、プロンプトの種類のどれかを変えてください。",
    "Another model or another measure made this run, so it cannot go on here. Press Run to begin one that can.": "この実行は別のモデルか別の指標によるものなので、ここでは続けられません。「実行」を押して新しく始めてください。",
    # many chains
    "Compare": "比較",
    "Batch": "一括",
    "The same questions with several prompt variants, side by side: which words differ, and by how much.": "同じ質問を複数のプロンプトで試し、並べて比べます。どの語がどれだけ違うかがわかります。",
    "A whole list of questions: every finished step is kept, Stop loses nothing, and Go on takes up the rest.": "質問の一覧をまとめて試します。終わったステップはすべて残り、停止しても失われず、「続ける」で残りを再開できます。",
    "Questions, one a line": "質問（一行に一つ）",
    "Write questions, one a line": "質問を一行に一つずつ書いてください",
    "Take the nine starters": "九つの例を使う",
    "or a file: CSV, Excel, JSON or TXT": "またはファイル（CSV、Excel、JSON、TXT）",
    "Column with the questions": "質問の列",
    "Left empty, it is found": "空欄なら自動で探します",
    "{} questions.": "質問は {} 件です。",
    "Prompt variants": "プロンプトの種類",
    "Methods": "方法",
    "Method": "方法",
    "with the adapter": "アダプターあり",
    "without it": "アダプターなし",
    "Repeats": "繰り返し",
    "Seeds for each": "それぞれのシードの数",
    "Of a QtQ chain": "QtQ 連鎖の場合",
    "Go on": "続ける",
    "Ask the failed again": "失敗したものをもう一度",
    "{} of {} chains": "連鎖 {} / {}",
    "about {} s to go": "残り約 {} 秒",
    "{} failed": "失敗 {}",
    "Writing: {}.": "書いています: {}。",
    "Chain {}, step {} of {}": "連鎖 {}、ステップ {} / {}",
    "Stopped. {} of {} chains are finished; Go on takes up the rest.": "停止しました。{} / {} の連鎖が終わっています。「続ける」で残りを再開できます。",
    "This is your run as it was before the page was loaded again.": "ページを読み込み直す前の実行です。",
    "{} chains failed; ask them again, or see the flags.": "{} の連鎖が失敗しました。もう一度試すか、フラグを見てください。",
    "Opened: {} of {} chains are finished.": "開きました。{} / {} の連鎖が終わっています。",
    "The run is open.": "実行を開きました。",
    "This is a run of another tab; open it there, or in Compare or Batch if it has many chains.": "これは別のタブの実行です。そのタブで開くか、連鎖が多いものは「比較」か「一括」で開いてください。",
    "This run cannot be opened here: its chains are not all questions with all variants. Open it in QtQ chain.": "この実行はここでは開けません。すべての質問とすべてのプロンプトの組になっていないためです。「QtQ 連鎖」で開いてください。",
    "There is no run to go on with. Press Run to begin one.": "続ける実行がありません。「実行」を押して始めてください。",
    "The run is no longer kept. Press Run to begin it anew.": "この実行はもう残っていません。「実行」を押して始め直してください。",
    "Choose a first cell to ask again.": "もう一度尋ねるセルを、先に「一つ目のセル」で選んでください。",
    "No adapter answers here, so there is nothing to compare it with.": "ここではアダプターが使われていないため、比べるものがありません。",
    "The list has no questions. Write one a line, or give a file that has some.": "質問がありません。一行に一つずつ書くか、質問のあるファイルを選んでください。",
    "No prompt variant is chosen; choose at least one.": "プロンプトの種類が選ばれていません。一つ以上選んでください。",
    "No method is chosen; choose at least one.": "方法が選ばれていません。一つ以上選んでください。",
    "No adapter is chosen; choose at least one.": "アダプターの有無が選ばれていません。一つ以上選んでください。",
    "Run {}. Chains: {} of {}. Finished steps: {}. Measure: {}": "実行 {}。連鎖: {} / {}。終わったステップ: {}。指標: {}",
    "The first {} are shown; the files hold all.": "表示は最初の {} 行です。ファイルにはすべて入ります。",
    "Side by side": "並べて見る",
    "Statistics": "統計",
    "Columns": "列",
    "Text": "表示する文",
    "Only what differs": "違うところだけ",
    "First cell": "一つ目のセル",
    "Second cell": "二つ目のセル",
    "Click two cells, or choose two steps here, to see which words differ.": "セルを二つクリックするか、ここで二つ選ぶと、違う語が表示されます。",
    "Both say the same, word for word.": "どちらも一語一句同じです。",
    "struck out: only in the first; underlined: only in the second": "取り消し線は一つ目だけ、下線は二つ目だけにある語です",
    "The cell's own gives the same text again": "同じシードなら同じ文になります",
    "Ask the first cell again": "一つ目のセルをもう一度",
    "Questions": "質問",
    "Seeds": "シード",
    "Flags": "フラグ",
    "New content": "新しい内容",
    "Tokens written": "書かれたトークン数",
    "Flags, as the share of steps": "フラグ（ステップに占める割合）",
    "There is one column only, so there is nothing to compare: ask with two variants, or more.": "列が一つしかないため、比べるものがありません。二つ以上のプロンプトで試してください。",
    "Download Excel": "Excel をダウンロード",
    "Download HTML": "HTML をダウンロード",
    "Download statistics": "統計をダウンロード",
    "Download for LLM Comparator": "LLM Comparator 用をダウンロード",
    "Open a run": "実行を開く",
    # editor
    "Edit a variant": "プロンプトを書き換える",
    "Edit a copy of a variant and run it beside the original. It stays in this page and is yours alone.": "プロンプトの写しを書き換え、元のものと並べて試せます。このページの中だけのもので、ほかの人には見えません。",
    "Copy of": "元にするもの",
    "Name": "名前",
    "Text of the variant (YAML)": "プロンプトの本文（YAML）",
    "Add to the comparison": "比較に加える",
    "Download YAML": "YAML をダウンロード",
    "Change the text, and add it to the comparison.": "本文を書き換えて、比較に加えてください。",
    "This variant is well-formed.": "正しく書けています。",
    "{} is added. Press Run to compare.": "{} を加えました。「実行」を押すと比較します。",
    # live step
    "Reasoning": "推論",
    "Answer": "答え",
    "Next question": "次の質問",
    "Step {} of {}": "ステップ {} / {}",
    "{} s": "{} 秒",
    "The step being written appears here.": "書かれていくステップがここに表示されます。",
    "Thoughts before the answer": "答えの前の思考",
    "Thoughts before the Reasoning": "推論の前の思考",
    "Thoughts before a next question": "次の質問の前の思考",
    "Thoughts before the conclusion": "結論の前の思考",
    # states
    "Ready. Write a question or pick a starter, then press Run.": "準備完了。質問を書くか例を選び、「実行」を押してください。",
    "Waiting for a free place. It begins by itself.": "順番を待っています。空き次第、自動的に始まります。",
    "{} It asks for {} GPU seconds.": "{} GPU を {} 秒分使います。",
    "The model is being loaded. It begins by itself.": "モデルを読み込んでいます。終わり次第、自動的に始まります。",
    "Writing the Reasoning.": "推論を書いています。",
    "Writing the answer.": "答えを書いています。",
    "Writing the next question.": "次の質問を書いています。",
    "Done in {} s.": "{} 秒で完了しました。",
    "The chain ends here: every proposed next question repeats one that was asked before.": "ここで終わりました。次の質問の候補がすべて、前の質問の繰り返しになりました。",
    "The chain ends here: two steps running added next to nothing to what was said before.": "ここで終わりました。二ステップ続けて、ほとんど新しい内容がありませんでした。",
    "The chain ends here: every proposed next question leaves the topic.": "ここで終わりました。次の質問の候補がすべて、話題から外れていました。",
    "The chain ends here: the model proposed no next question.": "ここで終わりました。モデルが次の質問を出しませんでした。",
    "The model could not go on: {}": "モデルが続けられませんでした: {}",
    "Stopped. What was written until then is kept.": "停止しました。それまでに書かれたものは残っています。",
    "Stopped before anything was written.": "何も書かれないうちに停止しました。",
    "The run ended here; the message says why.": "ここで終わりました。理由はメッセージをご覧ください。",
    "Too many visitors are waiting. Try again in a minute.": "順番待ちの方が多すぎます。一分ほどしてからもう一度お試しください。",
    "Something unexpected went wrong, and the run ended here. Try again.": "予期しない問題が起き、実行はここで終わりました。もう一度お試しください。",
    "The run ended": "実行が終わりました",
    # lists of questions: what was guessed or passed over, and what is refused
    # what is refused
    "The question is empty. Write a question, or pick one of the starters.": "質問が空です。質問を書くか、例から選んでください。",
}

I18N = gr.I18n(
    en={key: key for key in JAPANESE} | {ABOUT: manual.ENGLISH},
    ja=JAPANESE | {ABOUT: manual.JAPANESE},
)


def translatable(text: str) -> str:
    """Return a mark that the browser replaces by `text` in the visitor's language; one of these to a string."""
    return str(I18N(text)) if text in I18N.translations["ja"] else text


def short_name(name: str) -> str:
    """Return the last part of the id or folder of a model."""
    return name.rstrip("/").rpartition("/")[2]


def language_of(request: gr.Request | None) -> str:
    """Return "ja" for a visitor whose browser asks for Japanese first, else "en"."""
    asked = str(request.headers.get("accept-language", "")) if request is not None else ""
    return "ja" if asked.strip().lower().startswith("ja") else "en"


def tongue_of(language: str) -> Language:
    """Return the language of a visitor, as summaries are told in it."""
    return Language.JA if language == Language.JA else Language.EN


def translate(language: str, sentence: str, *values: object, **named: object) -> str:
    """Return the sentence in the language `tongue`, with the values in its places."""
    return (JAPANESE.get(sentence, sentence) if language == "ja" else sentence).format(*values, **named)


def translate_error(language: str, message: Note | BonsaiError) -> str:
    """Return a note or an error in the language of a visitor, or as it is where there is no translation."""
    return message.translated(_japanese) if language == Language.JA else str(message)


def _japanese(template: str) -> str:
    return SENTENCES.get(template) or JAPANESE.get(template, template)
