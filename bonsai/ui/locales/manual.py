"""What the About tab says, in English and Japanese."""

ENGLISH = """
### The methods

- **Single question**: one prompt, one answer. Good for comparing with what follows.
- **Two-step reasoning**: the model writes its Reasoning first, and a second prompt asks for an answer that follows
  from it.
- **QtQ chain** (question to question): Reasoning, answer, and then a deeper next question, which begins the next step.
  Several candidates for the next question are written at once. Those that repeat an earlier question are dropped; of
  the others, the one is taken that stays with the step and is still unlike the questions before it. If none is left,
  the model is asked again, twice at most, and told what it must not ask; then the chain ends and says so. It also ends
  when two steps running add next to nothing, unless you untick that.

An empty or copied Reasoning is asked for once more before it is flagged.

The **prompt variant** is the wording around your question. The same seed, settings and model give the same table.

### The table

| column | what it says |
|---|---|
| chain, step | number of the chain, and of the step in it |
| question, reasoning, answer, next_question | what was asked and what the model wrote |
| similarity | 0 to 1: how alike the question is to the earlier question most like it |
| new_content | 0 to 1: the share of content words in question and answer that no earlier step used |
| flags | what to look at twice, see below |
| seconds | how long the model took |
| move | the direction in which the next question was asked for |
| conclusion | of the last step: what the whole chain found |

The downloads hold more: the run, the number of that most similar step (nearest), model, adapter, seed and token counts.
JSON keeps everything, every candidate included, and can be drawn again with `python -m bonsai show`.

| flag | meaning |
|---|---|
| no-reasoning | the model wrote no Reasoning |
| copied-reasoning | the Reasoning only repeats the question or the answer |
| tautology | the question repeats the one just before it |
| circular | the question repeats an older one |
| no-progress | this step and the one before it added next to nothing |
| off-topic | the question has nothing to do with what was asked and answered before |
| not-a-question | no candidate for the next question was a question |
| truncated | the text was cut at its most tokens, or old steps were left out of the prompt |
| stopped | Stop was pressed here |
| error | the model could not go on |

**Similarity** comes from a *measure*, which the page names at its top. An embedding model compares what questions mean,
and which words set them apart; without one, *words* serves: content words, or pairs of characters in Japanese. A
candidate is rejected sooner than a question is flagged, since a wrong rejection costs one more try, and a flag is a
statement about your chain.

### Look at a step

Below the results you can open one step: its candidates with their verdicts, and, where one repeats an earlier question,
both texts with the words marked that they share.

- **Was the Reasoning used?** The model answers again without the Reasoning, and with its words shuffled, always with the
  likeliest words. If the answer hardly changes, the Reasoning was only decoration.
- **Branch**: go on from that step another way, with another candidate, an edited question, another prompt variant or
  seed. The branch is a new chain in the same run, it shares the steps before it, and nothing of the old chain is lost.

### Compare and Batch

**Compare** asks the same questions with several prompt variants, methods and seeds, and with and without the adapter, always
with the same seeds on both sides. Any of these can be the columns. Click two cells to see which words differ; *Ask the
first cell again* asks that one alone. Under *Edit a variant* you change a copy of a prompt, see at once what is wrong with
it, run it beside the original, and download it as a file for `prompts/`. It is yours alone, and gone with the page.

**Batch** asks a whole list: the nine starters, pasted lines, or a file (CSV, Excel, JSON, TXT). Lines that are blank or repeat a
question are passed over and named. Every finished step is kept. *Stop* loses nothing, *Go on* takes up the rest, and *Ask
the failed again* repeats only what failed. The run is still there when the page is loaded again, for some hours; a
downloaded JSON is opened again with *Open a run*.

**Statistics** are means over questions (or over seeds, if there is one question) with 95% bootstrap intervals, and paired
differences with a p that is corrected for the number of comparisons (Benjamini and Hochberg). Under 15 pairs they say "too
few" instead of a number. What one column lacks is left out of the differences and listed.

### Limits

What you read is written by a small language model. It can be wrong and sound sure, it knows nothing of recent events,
and PHI-2 was trained mostly on English. The measures compare words and meanings; they do not judge truth. Check before you rely on it.

### Privacy

No other visitor sees what you write. The results live in your session; the files behind the download buttons, by which
your run is found again after a reload, have names that nobody guesses and are deleted after some hours.
"""

JAPANESE = """
### 三つの方法

- **単発の質問**: 一つのプロンプトに一つの答え。ほかの方法と比べる基準になります。
- **二段階推論**: モデルがまず推論を書き、二つ目のプロンプトで、その推論をもとにした答えを書きます。
- **QtQ 連鎖**（質問から質問へ）: 推論、答え、そしてさらに深い次の質問を書き、その質問から次のステップが始まります。
  次の質問の候補はいくつか同時に書かれます。前の質問の繰り返しになるものは除かれ、残りのうち、
  そのステップにつながっていて、しかもこれまでの質問に似ていないものが選ばれます。
  一つも残らなければ、除かれた質問を伝えたうえで二回までもう一度候補を求め、それでもなければ、
  連鎖はそこで終わり、そのことが表示されます。二ステップ続けてほとんど新しい内容がないときも終わります
  （チェックを外せば続きます）。

推論が空だったり、質問や答えの写しだったりしたときは、フラグを付ける前に一度だけ書き直しを求めます。

**プロンプトの種類**は、質問を包む言葉づかいです。シード、設定、モデルが同じなら、同じ表になります。

### 表の見方

| 列 | 意味 |
|---|---|
| chain, step | 連鎖の番号と、その中のステップの番号 |
| question, reasoning, answer, next_question | 質問と、モデルが書いた推論、答え、次の質問 |
| similarity | 0〜1。最もよく似た前の質問と、どれだけ似ているか |
| new_content | 0〜1。質問と答えの内容語のうち、前のステップに出ていないものの割合 |
| flags | 注意して読みたい点（下の表） |
| seconds | モデルがかけた秒数 |
| move | 次の質問を求めた方向 |
| conclusion | 最後のステップに書かれる、連鎖全体の結論 |

ダウンロードするファイルには、実行の番号、最もよく似たステップの番号（nearest）、モデル、アダプター、シード、トークン数も入ります。
JSON には候補も含めてすべてが残り、`python -m bonsai show` でもう一度表にできます。

| フラグ | 意味 |
|---|---|
| no-reasoning | モデルが推論を書かなかった |
| copied-reasoning | 推論が質問か答えの写しになっている |
| tautology | 直前の質問の繰り返し |
| circular | もっと前の質問の繰り返し |
| no-progress | このステップと一つ前のステップに、ほとんど新しい内容がなかった |
| off-topic | これまでの質問や答えと関わりのない質問 |
| not-a-question | 次の質問の候補に、質問になっているものがなかった |
| truncated | トークン数の上限で切れたか、古いステップがプロンプトから外された |
| stopped | ここで停止が押された |
| error | モデルが続けられなかった |

**similarity** は、ページの上部に名前が出ている*指標*によるものです。埋め込みモデルは、質問の意味と、二つの質問を分ける語とを比べます。
モデルがないときは *words*、つまり内容語（日本語では二文字ずつの並び）で比べます。
候補を除くときのほうが、質問にフラグを付けるときよりも広めに判定します。候補を誤って除いても一度求め直すだけですが、
フラグは連鎖についての判断だからです。

### ステップを詳しく見る

結果の下で、一つのステップを開いて見られます。次の質問の候補と判定のほか、前の質問の繰り返しになった候補では、
二つの文を並べ、共通する語に印を付けて示します。

- **推論は使われたか？** 推論なしの場合と、推論の語順を入れ替えた場合とで、もう一度答えさせます。どちらも最も確率の高い語を選びます。
  答えがほとんど変わらなければ、推論は飾りにすぎなかったことになります。
- **枝分かれ**: そのステップから、別の候補、書き換えた質問、別の種類のプロンプトや別のシードで、違う道へ進みます。
  枝は同じ実行の中の新しい連鎖で、前のステップを引き継ぎます。元の連鎖は何も失われません。

### 比較と一括

**比較**では、同じ質問を複数のプロンプト、方法、シードで、またアダプターありとなしで試します。シードは両側で同じです。
どれでも列にできます。セルを二つクリックすると違う語が表示され、「一つ目のセルをもう一度」ではそのセルだけを尋ね直します。
「プロンプトを書き換える」では、プロンプトの写しを書き換えられます。誤りはその場で示され、元のものと並べて試し、
`prompts/` に置けるファイルとしてダウンロードできます。写しはあなただけのもので、ページを閉じると消えます。

**一括**では、質問の一覧をまとめて試します。九つの例、貼り付けた行、CSV・Excel・JSON・TXT のファイルが使えます。
空の行と、前と同じ質問の行は飛ばされ、行番号が示されます。終わったステップはすべて残ります。「停止」しても失われず、
「続ける」で残りを再開し、「失敗したものをもう一度」では失敗したものだけを尋ね直します。ページを読み込み直しても、
数時間は実行が残っています。ダウンロードした JSON は「実行を開く」でもう一度開けます。

**統計**は、質問ごと（質問が一つならシードごと）の平均と 95% ブートストラップ区間、対応のある差と、
比較の数で補正した p（Benjamini–Hochberg）です。組が 15 に満たないときは、数の代わりに too few と示します。
片方の列にないものは差から除かれ、一覧に示されます。

### 限界

ここに出る文章は、小さな言語モデルが書いたものです。誤りを自信ありげに書くことがあり、最近の出来事は知りません。
PHI-2 の学習は主に英語で行われました。指標は語や意味を比べるだけで、正しさを判定するものではありません。大切なことは必ず確かめてください。

### プライバシー

書いた内容はほかの人には見えません。結果はあなたのセッションの中にあります。ダウンロード用のファイルは、
読み込み直したときに実行を見つけるためにも使われますが、名前は推測できず、数時間後に消されます。
"""
