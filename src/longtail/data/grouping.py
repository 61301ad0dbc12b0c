"""Several rows of one item (variants) become one, by the rule a catalog declares."""

from __future__ import annotations

from longtail.data.columns import Bound
from longtail.data.database import Database, quoted
from longtail.data.schema import GroupSchema

#: Columns that reading a catalog adds while it works.
ID, ORDER, REASON = "__longtail_id", "__longtail_order", "__longtail_reason"


def group(database: Database, table: str, columns: dict[str, str], rule: GroupSchema, order_by: Bound | None) -> str:
    """Reduce rows to one an item; the item's place is that of its first row.

    Args:
        database: where the rows are.
        table: the rows, with `columns`, the item's id in `ID` (not null) and the place in the source in `ORDER`.
        columns: the source's columns with their types.
        rule: ``first`` and ``refuse`` take one row (by ``order_by``, then by place), ``most_common`` takes for every
            column the value most rows have, the earliest of equally common ones; nulls do not count.
        order_by: what ``first`` goes by; nulls come last. None: the place in the source.

    Returns:
        The name of a table with the same columns, one row an item, ``ORDER`` being the item's first place.
    """
    result = database.fresh("grouped")
    kept = ", ".join(quoted(name) for name in columns)
    if rule.rule != "most_common":
        by = f"{order_by.sql} NULLS LAST, " if order_by else ""
        database.execute(
            f"CREATE TABLE {result} AS SELECT {kept}, {ID}, min({ORDER}) OVER (PARTITION BY {ID}) AS {ORDER} "
            f"FROM {table} QUALIFY row_number() OVER (PARTITION BY {ID} ORDER BY {by}{ORDER}) = 1"
        )
        return result
    # Columns of its own have names that no source has.
    rows, value, first = "__longtail_rows", "__longtail_value", "__longtail_first"
    single = database.fresh("single")
    database.execute(
        f"CREATE TABLE {single} AS SELECT {ID}, min({ORDER}) AS {ORDER}, count(*) AS {rows} FROM {table} GROUP BY {ID}"
    )
    # Items with one row need no counting; the others are counted a column at a time.
    variants = f"(SELECT t.* FROM {table} t JOIN {single} s USING ({ID}) WHERE s.{rows} > 1)"
    joins, values = [], []
    for index, name in enumerate(columns):
        column = quoted(name)
        joins.append(
            f"LEFT JOIN (SELECT {ID}, {value} FROM (SELECT {ID}, {column} AS {value}, count(*) AS {rows}, "
            f"min({ORDER}) AS {first} FROM {variants} WHERE {column} IS NOT NULL GROUP BY {ID}, {column}) "
            f"QUALIFY row_number() OVER (PARTITION BY {ID} ORDER BY {rows} DESC, {first}) = 1) c{index} "
            f"ON c{index}.{ID} = s.{ID}"
        )
        values.append(f"CASE WHEN s.{rows} > 1 THEN c{index}.{value} ELSE f.{column} END AS {column}")
    database.execute(
        f"CREATE TABLE {result} AS SELECT {', '.join(values)}, s.{ID}, s.{ORDER} FROM {single} s "
        f"JOIN {table} f ON f.{ORDER} = s.{ORDER} {' '.join(joins)}"
    )
    return result
