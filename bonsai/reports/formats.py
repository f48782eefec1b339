"""The names of file formats and languages; nothing heavy is imported here, so that the command line offers them."""

from enum import StrEnum


class Language(StrEnum):
    """A language of summaries."""

    EN = "en"
    JA = "ja"


class Format(StrEnum):
    """A form in which a run can be taken away."""

    MARKDOWN = "markdown"
    CSV = "csv"
    JSON = "json"
    HTML = "html"
    XLSX = "xlsx"
    STATISTICS = "statistics"
    LLM_COMPARATOR = "llm-comparator"
    QUESTIONS = "questions"
    """The questions that were not asked, as a list for `batch`."""

    @property
    def suffix(self) -> str:
        """The ending of the name of such a file."""
        return _SUFFIXES.get(self, f".{self}")


_SUFFIXES = {
    Format.MARKDOWN: ".md",
    Format.STATISTICS: ".statistics.csv",
    Format.LLM_COMPARATOR: ".comparator.json",
    Format.QUESTIONS: ".questions.txt",
}
