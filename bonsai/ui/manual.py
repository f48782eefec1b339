"""What the About tab says, in English and Japanese."""

ENGLISH = """
### The methods

- **Single question**: one prompt, one answer. Good for comparing with what follows.
- **Two-step reasoning**: the model writes its Reasoning first, and a second prompt asks for an answer that follows
  from it.
- **QtQ chain** (question to question): Reasoning, answer, and then a deeper next question, which begins the next step.
  Several candidates for the next question are written at once. Those that repeat an earlier question are dropped; of
  the others, the one is taken that stays with the step and is still unlike the questions before it. If every candidate
  repeats one, the chain ends there and says so.

The **prompt variant** is the wording around your question. The same seed, settings and model give the same table.

### The table

| column | what it says |
|---|---|
| step | number of the step in its chain |
| question, reasoning, answer, next_question | what was asked and what the model wrote |
| similarity | 0 to 1: how many content words the question shares with the earlier question most like it |
| new_content | 0 to 1: the share of content words in question and answer that no earlier step used |
| flags | what to look at twice, see below |
| seconds | how long the model took |

The downloads hold more: the run, the number of that most similar step (nearest), model, adapter, seed and token counts.
JSON keeps everything, every candidate included, and can be drawn again with `python -m bonsai show`.

| flag | meaning |
|---|---|
| no-reasoning | the model wrote no Reasoning |
| tautology | the question repeats the one just before it |
| circular | the question repeats an older one |
| not-a-question | no candidate for the next question was a question |
| truncated | the text was cut at its most tokens, or old steps were left out of the prompt |
| stopped | Stop was pressed here |
| error | the model could not go on |

### Limits

What you read is written by a small language model. It can be wrong and sound sure, it knows nothing of recent events,
and PHI-2 was trained mostly on English. The measures count words; they do not judge truth. Check before you rely on it.

### Privacy

Nothing that you write is stored, and no other visitor sees it. The results live in your session; the files behind the
download buttons are deleted after some hours.
"""

JAPANESE = """
### 三つの方法

- **単発の質問**: 一つのプロンプトに一つの答え。ほかの方法と比べる基準になります。
- **二段階推論**: モデルがまず推論を書き、二つ目のプロンプトで、その推論をもとにした答えを書きます。
- **QtQ 連鎖**（質問から質問へ）: 推論、答え、そしてさらに深い次の質問を書き、その質問から次のステップが始まります。
  次の質問の候補はいくつか同時に書かれます。前の質問の繰り返しになるものは除かれ、残りのうち、
  そのステップにつながっていて、しかもこれまでの質問に似ていないものが選ばれます。
  すべての候補が繰り返しなら、連鎖はそこで終わり、そのことが表示されます。

**プロンプトの種類**は、質問を包む言葉づかいです。シード、設定、モデルが同じなら、同じ表になります。

### 表の見方

| 列 | 意味 |
|---|---|
| step | 連鎖の中のステップの番号 |
| question, reasoning, answer, next_question | 質問と、モデルが書いた推論、答え、次の質問 |
| similarity | 0〜1。最もよく似た前の質問と、内容語をどれだけ共有しているか |
| new_content | 0〜1。質問と答えの内容語のうち、前のステップに出ていないものの割合 |
| flags | 注意して読みたい点（下の表） |
| seconds | モデルがかけた秒数 |

ダウンロードするファイルには、実行の番号、最もよく似たステップの番号（nearest）、モデル、アダプター、シード、トークン数も入ります。
JSON には候補も含めてすべてが残り、`python -m bonsai show` でもう一度表にできます。

| フラグ | 意味 |
|---|---|
| no-reasoning | モデルが推論を書かなかった |
| tautology | 直前の質問の繰り返し |
| circular | もっと前の質問の繰り返し |
| not-a-question | 次の質問の候補に、質問になっているものがなかった |
| truncated | トークン数の上限で切れたか、古いステップがプロンプトから外された |
| stopped | ここで停止が押された |
| error | モデルが続けられなかった |

### 限界

ここに出る文章は、小さな言語モデルが書いたものです。誤りを自信ありげに書くことがあり、最近の出来事は知りません。
PHI-2 の学習は主に英語で行われました。指標は語を数えるだけで、正しさを判定するものではありません。大切なことは必ず確かめてください。

### プライバシー

書いた内容は保存されず、ほかの人には見えません。結果はあなたのセッションの中だけにあり、ダウンロード用のファイルは数時間後に消されます。
"""
