"""Bytes as text: in Unicode, or in the East Asian encoding that their characters tell beyond doubt."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from bonsai.errors import Note
from bonsai.runs.tables.lines import MARKS, first_line_of, line_ends

_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_NOT_TEXT = re.compile(r"[\x00-\x08\x0e-\x19\x7f\ufffe\uffff]")
_READABLE = re.compile("[\t\n\r -~\u3000-\u30ff\uff01-\uff9f]")
_ESCAPES = re.compile(rb"\x1b(?:\$[@B]|\([IJ])")
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x19\x1c-\x1f\x7f]")
_DAMAGED = re.compile("[\udc80-\udcff]")
_KANA = re.compile("[\u3041-\u30fa]")

# Characters that stand in nearly every sentence of a language. Chinese, Korean and Japanese in the EUC encodings are
# the same bytes, so that only what they say tells them apart.
_FREQUENT = {
    "Japanese": "日一人年大本中出時行見分後前生間上東今学高子外下来気小女書名水男語何国会質問題方社地理部力",
    "Chinese": "的一是不了人我在有他这为大来以个中上们到说国和地也子时出要于就下得可你年生自会那能对事里所去行过家发"
    "如然作方成多都无同么法当起与好看学种将还分此心前面定见只没从什怎吗呢哪问题",
    "Korean": "이다는에의을를가은한고지하도로기사자어나있까요무왜떻게것들인대리시아그서만해수정보일부전구",
}
# The usual characters stand in the rows of a standard that begin with these bytes: marks, syllables, first level.
_MARK_ROWS = range(0xA1, 0xA4)
_LEGACY = (
    ("cp932", "Shift-JIS", "Japanese", "euc_jp", range(0xA4, 0xD0)),
    ("euc_jp", "EUC-JP", "Japanese", "euc_jp", range(0xA4, 0xD0)),
    ("gb18030", "GB18030", "Chinese", "gb2312", range(0xB0, 0xD8)),
    ("big5hkscs", "Big5", "Chinese", "big5", range(0xA4, 0xC7)),
    ("cp949", "EUC-KR", "Korean", "euc_kr", range(0xB0, 0xC9)),
)
_MOST_LOOKED_AT = 20_000
_LEAST_USUAL = 0.8
_CLEARLY = 0.1


@dataclass(frozen=True)
class Decoded:
    """A text, its line ends as they were, without marks."""

    text: str
    guessed: str = ""
    """The name of the encoding, if that is no form of Unicode and was found by what the text says."""

    @property
    def notes(self) -> tuple[Note, ...]:
        """What was guessed to read it."""
        return (Note("It is not in UTF-8; read as {encoding}.", encoding=self.guessed),) if self.guessed else ()


class DamagedTextError(ValueError):
    """Bytes that are text in `encoding` but for some, the first of which stand in a `line`."""

    def __init__(self, encoding: str, line: int) -> None:
        super().__init__(f"damaged {encoding} in line {line}")
        self.encoding, self.line = encoding, line


def decode(data: bytes) -> Decoded | None:
    """Return the text that bytes are, None if they are none or it cannot be told in which encoding.

    Raises DamagedTextError for text in Unicode some bytes of which are lost or wrong.
    """
    found = _unicode(data) or _unmarked_utf16(data) or _utf8(data) or _legacy(data)
    if found is None:
        return None
    text = found.text.lstrip(MARKS).rstrip("\x1a")
    # A file of another kind has its marks at its head; further on, a stray character harms nobody.
    return None if _NOT_TEXT.search(first_line_of(text)) else Decoded(text, found.guessed)


def _unicode(data: bytes) -> Decoded | None:
    """Return the text behind a byte order mark, None if there is no mark."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            try:
                return Decoded(data.decode(encoding))
            except UnicodeDecodeError as error:
                before = data[: error.start].decode(encoding, "replace")
                raise DamagedTextError(encoding.upper(), line_ends(before) + 1) from error
    return None


def _unmarked_utf16(data: bytes) -> Decoded | None:
    """Return the text of bytes that make sense as UTF-16 alone: in UTF-8 no text has zeros."""
    if b"\x00" not in data or len(data) % 2:
        return None
    found = []
    for encoding in ("utf-16-le", "utf-16-be"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not any(_is_no_letter(letter) for letter in text[:_MOST_LOOKED_AT]):
            found.append((len(_READABLE.findall(text[:_MOST_LOOKED_AT])), text))
    return Decoded(max(found)[1]) if found else None


def _is_no_letter(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cn", "Co", "Cs", "Cc") and letter not in "\t\n\x0b\x0c\r\x1a"


def _utf8(data: bytes) -> Decoded | None:
    """Return the text in UTF-8, or in ISO-2022-JP, whose bytes are all ASCII; None if it is neither."""
    # A file that was never filled to its end has zeros there.
    data = data.rstrip(b"\x00")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        if _looks_as_utf8(data.decode("utf-8", "surrogateescape")):
            raise DamagedTextError("UTF-8", line_ends(data[: error.start].decode("utf-8")) + 1) from error
        return None
    if _ESCAPES.search(data):
        try:
            return Decoded(data.decode("iso2022_jp_ext"), "ISO-2022-JP")
        except UnicodeDecodeError:
            pass
    return Decoded(text)


def _looks_as_utf8(lossy: str) -> bool:
    """Say whether so many bytes are whole characters of UTF-8 that they are not so by chance in another encoding."""
    lost = len(_DAMAGED.findall(lossy))
    short = sum("\x7f" < letter < "\u0800" for letter in lossy)
    long = sum(letter >= "\u0800" and not _DAMAGED.match(letter) for letter in lossy)
    return 3 * long >= lost or short >= 3 * lost


def _legacy(data: bytes) -> Decoded | None:
    """Return the text in the one East Asian encoding in which its characters are usual; None if none or several are."""
    if _BINARY.search(data):
        return None
    found = []
    for encoding, name, language, standard, rows in _LEGACY:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        letters = [letter for letter in text if letter > "\x7f"][:_MOST_LOOKED_AT]
        if _share_usual(letters, standard, rows) >= _LEAST_USUAL:
            found.append((_likeness(letters, language), text, name))
    found.sort(reverse=True)
    if not found or (len(found) > 1 and found[0][0] - found[1][0] < _CLEARLY):
        return None
    return Decoded(found[0][1], found[0][2])


def _share_usual(letters: Sequence[str], standard: str, rows: range) -> float:
    """Return how many of the letters stand in the rows of usual ones, or of marks, 0 to 1.

    Narrow katakana do not count, but where there is little else: in Shift-JIS any byte can be one.
    """
    wide = [letter for letter in letters if not "\uff61" <= letter <= "\uff9f"]
    if len(wide) < len(letters) / 4 or not wide:
        return 0
    first = [letter.encode(standard, "replace")[0] for letter in wide]
    return sum(byte in rows or byte in _MARK_ROWS for byte in first) / len(wide)


def _likeness(letters: Sequence[str], language: str) -> float:
    """Return how much a text looks as one in a language; Japanese has kana in it, of which the others have none."""
    frequent = sum(letter in _FREQUENT[language] for letter in letters)
    return (frequent + 2 * len(_KANA.findall("".join(letters))) * (language == "Japanese")) / len(letters)
