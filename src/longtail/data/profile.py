"""What the columns of a table look like, measured by DuckDB: the ground on which guesses stand."""

from __future__ import annotations

import re
from dataclasses import dataclass

from longtail.data.columns import text
from longtail.data.database import Database, literal, quoted

#: Text that is a number with a unit behind it: ``40 LB``, ``2.5 OZ``, ``(100) 1 CT``, ``6x330 ml``.
MEASURE = (
    r"\s*(\(\d+\)\s*)?\d+([.,/]\d+)?\s*(([-x*/]|to)\s*\d+([.,]\d+)?\s*)?"
    r"[A-Za-zµ\"%][A-Za-z.²³]{0,9}(\s*\(.*\))?\s*"
)
#: Text that names a picture.
IMAGE = r".*\.(jpe?g|png|webp|gif|avif|bmp|tiff?)(\?.*)?"
#: Separators of several values in one text, in the order they are tried.
SEPARATORS = ("|", ";", " > ", ",")
#: Formats of text timestamps beyond ISO 8601, in the order they are tried.
TIMESTAMP_FORMATS = tuple(
    f"{day}{time}"
    for day in ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d")
    for time in ("", " %H:%M", " %H:%M:%S", "%H%M%S")
)
#: What may stand beside an amount of money, as a pattern of RE2; with spaces it is all but the number.
CURRENCY = r"(?i:[€$£¥₹]|eur|usd|gbp|chf|sek|nok|dkk|pln|czk|huf|kr\.?|zł)"
_AMOUNT = r"([0-9]{1,3}([.,' ][0-9]{3})+|[0-9]+)([.,][0-9]{1,2})?"
_WITH_CURRENCY = rf"{CURRENCY}\s*{_AMOUNT}|{_AMOUNT}\s*{CURRENCY}"
_WITH_COMMA = rf"{CURRENCY}?\s*[0-9][0-9.' ]*,[0-9]{{1,2}}\s*{CURRENCY}?"
_TRUTH = ("0", "1", "true", "false", "t", "f", "yes", "no", "y", "n")


@dataclass(frozen=True)
class ColumnProfile:
    """One column of a table, all shares of its non-empty values in [0, 1].

    Attributes:
        name: the column's name.
        type: DuckDB's name of its type.
        rows: rows looked at.
        present: rows that are neither null nor empty text.
        distinct: different values among them.
        mean_length: characters.
        mean_words: words separated by spaces.
        numeric, integer: share that reads as a number, as a whole number.
        leading_zero: share that is digits with a leading zero.
        low, high: smallest and largest number, None where there are none.
        iso_time: share that reads as an ISO 8601 date or time.
        measure: share that is a number with a unit.
        money: share that is an amount of money as people write it, with a currency or without.
        currency: share that is one with a currency.
        decimal_comma: share that is an amount with a comma before one or two last digits.
        image: share that ends like a picture's file name.
        truth: share that reads as true or false.
        separated: share with each of `SEPARATORS` inside.
        top: the most frequent values with their counts, most frequent first, at most 30.
    """

    name: str
    type: str
    rows: int
    present: int
    distinct: int
    mean_length: float
    mean_words: float
    numeric: float
    integer: float
    leading_zero: float
    low: float | None
    high: float | None
    iso_time: float
    measure: float
    money: float
    currency: float
    decimal_comma: float
    image: float
    truth: float
    separated: tuple[float, ...]
    top: tuple[tuple[str, int], ...]

    @property
    def tokens(self) -> tuple[str, ...]:
        """The words of the column's name in lower case: ``articleId`` and ``article_id`` are ``article, id``."""
        spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", self.name)
        return tuple(re.findall(r"[a-z]+|\d+", spaced.lower()))

    @property
    def uniqueness(self) -> float:
        """Different values over values."""
        return self.distinct / self.present if self.present else 0.0

    @property
    def is_list(self) -> bool:
        return self.type.endswith("]")

    @property
    def is_nested(self) -> bool:
        """Records, which have no place in a catalog's fields as they are."""
        return self.type.startswith(("STRUCT", "MAP", "UNION"))

    @property
    def is_vector(self) -> bool:
        return self.is_list and bool(re.match(r"(FLOAT|DOUBLE|REAL|DECIMAL|HALF)", self.type))

    @property
    def is_number_type(self) -> bool:
        return not self.is_list and bool(re.match(r"U?(TINY|SMALL|BIG|HUGE)?INT|FLOAT|DOUBLE|DECIMAL|REAL", self.type))

    @property
    def is_time_type(self) -> bool:
        return self.type.startswith(("TIMESTAMP", "DATE"))

    @property
    def is_fraction(self) -> bool:
        """Numbers that are not all whole."""
        return self.numeric > 0.95 and self.integer < 0.95


def profile(database: Database, table: str) -> dict[str, ColumnProfile]:
    """Look at every column of a table or view, in the table's order.

    Args:
        database: where the table is.
        table: its name; read once a column, so let it be a sample where the source is large.
    """
    described = database.rows(f"describe {quoted(table)}")
    return {name: _column(database, table, name, type) for name, type, *_ in described}


def _column(database: Database, table: str, name: str, type: str) -> ColumnProfile:
    shares = [
        "try_cast(v as double) is not null",
        r"regexp_full_match(v, '\s*[+-]?\d+\s*')",
        r"regexp_full_match(v, '0\d+')",
        # DuckDB reads single numbers as no timestamp; a year alone is not one either.
        "length(v) >= 8 and try_cast(v as timestamptz) is not null",
        f"regexp_full_match(v, {literal(MEASURE)})",
        f"regexp_full_match(trim(v), {literal(f'{_AMOUNT}|{_WITH_CURRENCY}')})",
        f"regexp_full_match(trim(v), {literal(_WITH_CURRENCY)})",
        f"regexp_full_match(trim(v), {literal(_WITH_COMMA)})",
        f"regexp_full_match(lower(v), {literal(IMAGE)})",
        f"lower(trim(v)) in ({', '.join(map(literal, _TRUTH))})",
        *(f"contains(v, {literal(separator)})" for separator in SEPARATORS),
    ]
    values = f"(select {text(quoted(name), type)} as v from {quoted(table)})"
    measured = database.row(
        f"""
        with present as (select v from {values} where trim(v) <> '')
        select (select count(*) from {values}), count(*), count(distinct v), avg(length(v)),
            avg(length(trim(v)) - length(replace(trim(v), ' ', '')) + 1),
            min(try_cast(v as double)) filter (isfinite(try_cast(v as double))),
            max(try_cast(v as double)) filter (isfinite(try_cast(v as double))),
            {", ".join(f"avg(case when {share} then 1.0 else 0.0 end)" for share in shares)}
        from present
        """
    )
    rows, present, distinct, length, words, low, high, *found = measured
    numeric, integer, zero, time, measure, money, currency, comma, image, truth, *separated = (
        share or 0.0 for share in found
    )
    top = database.rows(f"select v, count(*) from {values} where trim(v) <> '' group by v order by 2 desc, 1 limit 30")
    return ColumnProfile(
        name=name,
        type=type,
        rows=rows,
        present=present,
        distinct=distinct,
        mean_length=length or 0.0,
        mean_words=words or 0.0,
        numeric=numeric,
        integer=integer,
        leading_zero=zero,
        low=low,
        high=high,
        iso_time=time,
        measure=measure,
        money=money,
        currency=currency,
        decimal_comma=comma,
        image=image,
        truth=truth,
        separated=tuple(separated),
        top=tuple((str(value), int(count)) for value, count in top),
    )
