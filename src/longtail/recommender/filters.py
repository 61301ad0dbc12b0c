"""Filters and groups over the catalog's columns."""

from __future__ import annotations

import difflib
import json
import re
import threading
from collections import OrderedDict
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from longtail.core.arrays import Bool, Int64
from longtail.core.errors import FilterError

_ROW = "__longtail_row__"
#: What is known about each item beside the catalog's columns, and changes with events.
FACTS = ("n_interactions", "source")
#: Masks kept: a shop asks with the same few filters again and again.
_KEPT = 64


class CatalogColumns:
    """The columns a filter may speak of: the catalog's, and what is known about each item.

    ``item_id``, ``n_interactions`` and ``source`` are there too, unless the catalog has columns of those names. All
    methods may be called from several threads.
    """

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._lock = threading.Lock()
        self._database: duckdb.DuckDBPyConnection | None = None
        self._cursors = threading.local()
        self._masks: OrderedDict[str, Bool] = OrderedDict()
        self._groups: dict[str, Int64] = {}

    def renewed(self, table: pa.Table) -> CatalogColumns:
        """The same over a table in which nothing but `FACTS` has changed; what does not speak of them is kept."""
        renewed = CatalogColumns(table)
        with self._lock:
            kept = [where for where in self._masks if not any(fact in where.casefold() for fact in FACTS)]
            renewed._masks.update((where, self._masks[where]) for where in kept)
            renewed._groups = {name: codes for name, codes in self._groups.items() if name.casefold() not in FACTS}
        return renewed

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return list(self._table.column_names)

    def mask(self, where: str) -> Bool:
        """Which items an SQL condition holds for, ``(n_items,) bool``; where it is null, it does not hold.

        The condition is one expression of DuckDB's SQL over the columns. It can neither hold a query or a statement
        nor reach files, settings or the network.

        Raises:
            FilterError: it cannot be parsed or evaluated, or is no condition; an unknown column is answered with the
                nearest ones.
        """
        with self._lock:
            known = self._masks.get(where)
            if known is not None:
                self._masks.move_to_end(where)
                return known
        mask = self._evaluate(where)
        mask.flags.writeable = False
        with self._lock:
            self._masks[where] = mask
            if len(self._masks) > _KEPT:
                self._masks.popitem(last=False)
        return mask

    def groups(self, column: str) -> Int64:
        """The group of each item by a column's value, ``(n_items,) int64``; -1 where the value is null.

        Raises:
            FilterError: there is no such column, or its values cannot be compared.
        """
        if column not in self._table.column_names:
            raise FilterError(f"There is no column {column!r} to take one item a value of.{self._nearest(column)}")
        with self._lock:
            if column not in self._groups:
                self._groups[column] = _codes(self._table.column(column), column)
            return self._groups[column]

    def _evaluate(self, where: str) -> Bool:
        cursor = self._cursor()
        _check_expression(cursor, where)
        try:
            # The line breaks end a comment that the condition may end with.
            rows = cursor.execute(f"SELECT {_ROW} FROM catalog WHERE (\n{where}\n)").fetchnumpy()[_ROW]
            kind = cursor.execute(f"SELECT typeof((\n{where}\n)) FROM catalog LIMIT 1").fetchone()
            if kind is not None and kind[0] not in ("BOOLEAN", '"NULL"'):
                raise FilterError(f"The filter {where!r} is no condition: it gives {kind[0]}. Compare it with a value.")
        except duckdb.Error as error:
            raise FilterError(self._explain(where, error)) from error
        mask = np.zeros(self._table.num_rows, dtype=np.bool_)
        mask[np.asarray(rows, dtype=np.int64)] = True
        return mask

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        """The connection of this thread to the one database, which knows nothing but the catalog."""
        cursor: duckdb.DuckDBPyConnection | None = getattr(self._cursors, "cursor", None)
        if cursor is None:
            with self._lock:
                if self._database is None:
                    self._database = duckdb.connect(":memory:", config={"enable_external_access": "false"})
                    self._database.execute("SET python_enable_replacements = false")
                    self._database.execute("SET lock_configuration = true")
                cursor = self._database.cursor()
            numbered = self._table.append_column(_ROW, pa.array(np.arange(self._table.num_rows)))
            cursor.register("catalog", numbered)
            self._cursors.cursor = cursor
        return cursor

    def _explain(self, where: str, error: duckdb.Error) -> str:
        said = str(error).split("\n")[0]
        column = re.search(r'[Cc]olumn "?([^"]+?)"? (?:not found|does not exist)', said)
        if column is None:
            return f"The filter {where!r} cannot be evaluated: {said}"
        return (
            f"The filter {where!r} speaks of {column[1]!r}, which is no column.{self._nearest(column[1])} "
            "Text stands in single quotes, as in \"department = 'DELI'\"."
        )

    def _nearest(self, name: str) -> str:
        by_fold = {column.casefold(): column for column in self.names}
        close = difflib.get_close_matches(name.casefold(), by_fold, n=3, cutoff=0.5)
        if close:
            return f" Nearest: {', '.join(by_fold[fold] for fold in close)}."
        return f" Columns are: {', '.join(self.names[:20])}{', …' if len(self.names) > 20 else ''}."


def _check_expression(cursor: duckdb.DuckDBPyConnection, where: str) -> None:
    """Raise FilterError unless ``where`` is one expression without queries or parameters."""
    if not where.strip():
        raise FilterError('The filter is empty. Leave it out, or write a condition such as "price < 5".')
    parsed = cursor.execute("SELECT json_serialize_sql(?)", [f"SELECT (\n{where}\n)"]).fetchone()
    tree: dict[str, Any] = json.loads(parsed[0]) if parsed else {"error": True, "error_message": "nothing was parsed"}
    if tree["error"]:
        raise FilterError(f"The filter {where!r} is not understood: {tree['error_message']}.")
    node: dict[str, Any] = tree["statements"][0]["node"]
    plain = (
        len(tree["statements"]) == 1
        and node["type"] == "SELECT_NODE"
        and node["from_table"]["type"] == "EMPTY"
        and len(node["select_list"]) == 1
        and not any(node.get(part) for part in ("where_clause", "having", "qualify", "sample", "group_expressions"))
        and not node["modifiers"]
        and not _contains(node["select_list"], ("SUBQUERY", "PARAMETER", "STAR", "WINDOW"))
    )
    if not plain:
        raise FilterError(
            f"The filter {where!r} must be one condition over the catalog's columns, such as \"price < 5 AND "
            "department = 'DELI'\"; queries, stars, windows and parameters are not accepted."
        )


def _contains(node: Any, classes: tuple[str, ...]) -> bool:
    if isinstance(node, dict):
        return node.get("class") in classes or any(_contains(child, classes) for child in node.values())
    return isinstance(node, list) and any(_contains(child, classes) for child in node)


def _codes(column: pa.ChunkedArray, name: str) -> Int64:
    try:
        encoded = column.combine_chunks().dictionary_encode()
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.combine_chunks()
    except pa.ArrowNotImplementedError as error:
        raise FilterError(
            f"The column {name!r} holds {column.type}, whose values cannot be told apart for one item a value."
        ) from error
    codes: Int64 = pc.fill_null(encoded.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
    return codes
