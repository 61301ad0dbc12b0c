"""Why ids of two tables do not meet: leading zeros, case, spaces and other ways of writing the same id."""

from __future__ import annotations

from dataclasses import dataclass

from longtail.data.database import Database

#: Different ids looked at on either side.
_SAMPLE = 20_000


@dataclass(frozen=True)
class Form:
    """A way of writing ids in which differences of one kind vanish.

    Attributes:
        difference: what it removes, in words that complete "the ids differ in ...".
        sql: the expression, with ``{id}`` for the id.
    """

    difference: str
    sql: str

    def of(self, id: str) -> str:
        """The expression for one id expression."""
        return self.sql.format(id=id)


#: In the order they are tried; a later one must match more to be preferred.
FORMS = (
    Form("surrounding spaces", "trim({id})"),
    Form("case", "lower({id})"),
    Form("leading zeros", "ltrim({id}, '0')"),
    Form("a decimal point (123.0 for 123)", r"regexp_replace({id}, '\.0+$', '')"),
    Form("spaces, case and leading zeros", r"ltrim(lower(regexp_replace(trim({id}), '\.0+$', '')), '0')"),
    Form("letters and signs around the digits", r"ltrim(regexp_replace({id}, '\D', '', 'g'), '0')"),
)


@dataclass(frozen=True)
class Mismatch:
    """How ids that do not meet as they are would meet.

    Attributes:
        difference: in what they differ, in words.
        share: share of the left side's different ids that would then be found on the right.
        left_sql, right_sql: expressions that make them meet, with ``{id}`` for the id.
    """

    difference: str
    share: float
    left_sql: str
    right_sql: str


def share_found(database: Database, left: str, right: str, form: str = "{id}") -> float:
    """The share of the different ids of ``left`` that are in ``right``, both written in a form.

    Args:
        database: where both are.
        left: a query with one text column called ``id``.
        right: another such query.
        form: an expression with ``{id}``. Ids that are empty in that form match nothing.

    Returns:
        In [0, 1]; 0.0 where ``left`` has no ids.
    """
    return _share(database, left, right, form, form)


def explain_mismatch(database: Database, left: str, right: str) -> Mismatch | None:
    """The way of writing ids in which most of ``left`` is found in ``right``; None where none does clearly better.

    Args:
        database: where both are.
        left: a query with one text column called ``id``; at most 20,000 different ids of it are looked at.
        right: another such query.
    """
    sample = f"(select distinct id from ({left}) where id is not null order by hash(id) limit {_SAMPLE})"
    left = f"select id from {sample}"
    plain = _share(database, left, right, "{id}", "{id}")
    best: Mismatch | None = None
    for form in FORMS:
        share = _share(database, left, right, form.sql, form.sql)
        if share > (best.share if best else plain) + 0.05 and _keeps_apart(database, left, form):
            best = Mismatch(form.difference, share, form.sql, form.sql)
    for one, other, side in ((left, right, "left"), (right, left, "right")):
        length = _common_length(database, other)
        if length is None or (_common_length(database, one) or 0) <= length:
            continue
        cut = f"left({{id}}, {length})"
        forms = (cut, "{id}") if side == "left" else ("{id}", cut)
        share = _share(database, left, right, *forms)
        if share > (best.share if best else plain) + 0.05:
            best = Mismatch(f"length: one side has the first {length} characters of the other", share, *forms)
    if best is not None and best.difference == "leading zeros":
        return _padded(database, left, right, best)
    return best


def _padded(database: Database, left: str, right: str, found: Mismatch) -> Mismatch:
    """Keep the zeros where one side has them throughout: pad the other side instead of stripping both."""
    for one, forms in ((right, ("{pad}", "{id}")), (left, ("{id}", "{pad}"))):
        length = _common_length(database, one)
        if length is None:
            continue
        # lpad would cut longer ids, which may come one day.
        pad = f"repeat('0', {length} - length({{id}})) || {{id}}"
        left_sql, right_sql = (form.replace("{pad}", pad) for form in forms)
        share = _share(database, left, right, left_sql, right_sql)
        if share >= found.share - 0.001:
            return Mismatch(found.difference, share, left_sql, right_sql)
    return found


def _keeps_apart(database: Database, ids: str, form: Form) -> bool:
    """Whether a form leaves different ids different; if not, what it matches it matches by accident."""
    row = database.row(f"select count(distinct id), count(distinct {form.of('id')}) from ({ids})")
    return bool(row[1] >= 0.8 * row[0])


def _common_length(database: Database, ids: str) -> int | None:
    row = database.row(f"select min(length(id)), max(length(id)) from ({ids})")
    return int(row[0]) if row[0] is not None and row[0] == row[1] else None


def _share(database: Database, left: str, right: str, left_form: str, right_form: str) -> float:
    row = database.row(
        f"""
        with l as (select distinct id, {left_form.format(id="id")} as form from ({left}) where id is not null),
             r as (select distinct {right_form.format(id="id")} as form from ({right}) where id is not null)
        select count(*), count(*) filter (form <> '' and form in (select form from r)) from l
        """
    )
    return row[1] / row[0] if row[0] else 0.0
