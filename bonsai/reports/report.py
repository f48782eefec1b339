"""The report: all that is said of a run, computed while its chains pass by once, for the page and for every file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bonsai.chains.chain import Chain
from bonsai.chains.outcomes import Axis
from bonsai.reports.comparison import Comparison, SideBySide, columns_axis, values
from bonsai.reports.formats import Language
from bonsai.reports.markdown import TextTable
from bonsai.reports.question_bank import SHOWN, BankEntry, QuestionBank, bank_table
from bonsai.reports.sections import Section, chain_sections
from bonsai.reports.statistics import ItemMeans, Statistics, tables
from bonsai.reports.summary import Counts, summary
from bonsai.reports.table import Row, chain_rows
from bonsai.runs.run import Run

# A comparison of more chains is read in the table: side by side it would be the whole run once more.
MAX_SIDE_BY_SIDE = 200


@dataclass(frozen=True)
class ReportOptions:
    """How a run is looked at."""

    language: Language = Language.EN
    """Of the summary."""
    axis: str = ""
    """The axis whose values are the columns of a comparison; "" for the likeliest one."""
    rows: int = 0
    """How many rows of the table the report holds itself; files are made without them."""
    side_by_side: bool = False
    """Whether it holds all steps side by side, of however many chains."""


DEFAULT = ReportOptions()


@dataclass(frozen=True)
class ChainReport:
    """What is said of one chain."""

    chain: Chain
    rows: Sequence[Row]
    sections: Sequence[Section]


@dataclass(frozen=True)
class Report:
    """What is said of a run as a whole. The texts of a long run are not in it: `chains` reads them once more."""

    run: Run
    language: Language
    axis: str
    """The axis whose values are the columns; "" if there is nothing to compare."""
    values: Mapping[str, Sequence[str]]
    """The values that each axis has."""
    summary: Sequence[tuple[str, str]]
    """(name, sentence) pairs, in the language."""
    rows: Sequence[Row]
    """The first rows of the table, as many as were asked for."""
    statistics: Statistics | None
    """None if there is nothing to compare."""
    bank: Sequence[BankEntry]
    """The good questions that were not asked, best first."""
    comparison: Comparison | None
    """The steps side by side; None if nobody asked for it, and there are many or nothing to compare."""

    @classmethod
    def of(cls, run: Run, options: ReportOptions = DEFAULT) -> "Report":
        """Return the report of a run, whose chains are read once."""
        axes = values(run)
        axis = options.axis or columns_axis(axes)
        means = ItemMeans(run, axis, axes) if axis else None
        beside = options.side_by_side or (axis and len(run.chains) <= MAX_SIDE_BY_SIDE)
        compared = SideBySide(run, axis or Axis.PROMPT, axes) if beside else None
        counts, bank, rows = Counts(), QuestionBank(), list[Row]()
        gatherers = [gatherer for gatherer in (counts, bank, means, compared) if gatherer is not None]
        for chain in run.chains:
            for gatherer in gatherers:
                gatherer.add(chain)
            if len(rows) < options.rows:
                rows += chain_rows(run, chain)
        return cls(
            run,
            options.language,
            axis,
            axes,
            summary(run, counts, axes, options.language),
            rows[: options.rows],
            means.statistics() if means else None,
            bank.entries(),
            compared.comparison() if compared else None,
        )

    def chains(self) -> Iterator[ChainReport]:
        """Yield what is said of each chain; the chains of the run are read once."""
        for chain in self.run.chains:
            yield ChainReport(chain, chain_rows(self.run, chain), chain_sections(self.run, chain))

    def tables(self) -> list[TextTable]:
        """Return the tables that come before that of all steps.

        Of a comparison these are the answers side by side, if they are not too many, and the figures; then come the
        best questions that were not asked.
        """
        few = self.comparison if self.statistics and len(self.run.chains) <= MAX_SIDE_BY_SIDE else None
        left = self.bank[:SHOWN]
        return [
            *([few.table("answer")] if few else []),
            *(tables(self.statistics) if self.statistics else []),
            *([bank_table(left)] if left else []),
        ]
