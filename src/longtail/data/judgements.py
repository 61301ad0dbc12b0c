"""Judgements: does a neighbour belong beside an item? Made by people, by `longtail judge` or in any other way."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv
import pyarrow.parquet as pq

from longtail.core.arrays import Float64, Int64
from longtail.core.errors import DataError
from longtail.core.vocabulary import Vocabulary

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

SCHEMA = pa.schema(
    [("item", pa.string()), ("neighbour", pa.string()), ("relevant", pa.bool_()), ("judge", pa.string())]
)

#: Other names of the columns.
_NAMES = {"item_id": "item", "neighbor": "neighbour", "neighbour_id": "neighbour", "neighbor_id": "neighbour"}
_SAID = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@dataclass(frozen=True)
class Judgements:
    """Who said what: one row a judge and pair.

    Attributes:
        table: the columns of `SCHEMA`; no nulls, ``judge`` is empty where the file names none.
    """

    table: pa.Table

    @classmethod
    def none(cls) -> Judgements:
        """No judgements."""
        return cls(SCHEMA.empty_table())

    @classmethod
    def read(cls, paths: Path | Sequence[Path]) -> Judgements:
        """Read one or several files, Parquet or CSV by their ending.

        Columns: ``item``, ``neighbour`` (or these with ``_id``), ``relevant`` (true and false, 1 and 0, yes and no)
        and, where there were several, ``judge``; further columns are left alone. Without that column a file is one
        judge, called after it. A judge who said something twice is taken at their last word.

        Raises:
            DataError: a file is not there or cannot be read, a column is missing, or a value is empty or no answer.
        """
        paths = [paths] if isinstance(paths, Path) else list(paths)
        return cls(pa.concat_tables([SCHEMA.empty_table(), *map(_read, paths)]))._last_words()

    def __len__(self) -> int:
        return len(self.table)

    @property
    def judges(self) -> list[str]:
        """Their names, sorted."""
        return sorted(set(self.table["judge"].to_pylist()))

    def by_judge(self) -> dict[str, dict[tuple[str, str], bool]]:
        """What each judge said, by (item, neighbour)."""
        said: dict[str, dict[tuple[str, str], bool]] = {}
        for row in self.table.to_pylist():
            said.setdefault(row["judge"], {})[row["item"], row["neighbour"]] = row["relevant"]
        return said

    def of(self, judge: str) -> Judgements:
        """What one judge said."""
        return Judgements(self.table.filter(pc.equal(self.table["judge"], judge)))

    def with_rows(self, rows: Iterable[tuple[str, str, bool, str]]) -> Judgements:
        """These and further ones: item, neighbour, whether it is relevant, judge."""
        columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
        added = pa.table([pa.array(column) for column in columns], names=SCHEMA.names).cast(SCHEMA)
        return Judgements(pa.concat_tables([self.table, added]))._last_words()

    def write(self, path: Path) -> None:
        """Write them, Parquet or CSV by the ending: beside the file, then put in its place, so that none is ever lost.

        Raises:
            DataError: the ending is neither, or the file cannot be written.
        """
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            if format_of(path) == "parquet":
                pq.write_table(self.table, beside)
            else:
                csv.write_csv(self.table, beside)
            os.replace(beside, path)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise DataError(f"{path} cannot be written: {error.strerror or error}. Choose another place.") from error

    @classmethod
    def add(cls, path: Path, rows: Iterable[tuple[str, str, bool, str]]) -> Judgements:
        """Add rows to a file, or begin it; what others added to it meanwhile stays. Gives all that is in it then.

        Raises:
            DataError: the file cannot be read or written.
        """
        with _alone(path):
            judgements = (cls.read(path) if path.exists() else cls.none()).with_rows(rows)
            judgements.write(path)
        return judgements

    def votes(self, items: Vocabulary) -> Votes:
        """The share of judges who found a pair relevant, over the rows of a vocabulary; other pairs are left out."""
        grouped = self.table.group_by(["item", "neighbour"]).aggregate([("relevant", "mean")])
        item, neighbour = (items.rows(grouped[name].to_pylist()) for name in ("item", "neighbour"))
        known = (item >= 0) & (neighbour >= 0)
        keys = item[known] * len(items) + neighbour[known]
        order = np.argsort(keys)
        shares = grouped["relevant_mean"].to_numpy()[known]
        return Votes(keys[order], shares[order], len(items))

    def _last_words(self) -> Judgements:
        number = self.table.append_column("number", pa.array(np.arange(len(self.table))))
        last = number.group_by(["item", "neighbour", "judge"]).aggregate([("number", "max")])["number_max"]
        return Judgements(self.table.take(last.sort()))


@dataclass(frozen=True)
class Votes:
    """The share of judges who found pairs relevant.

    Attributes:
        keys: ``(n,) int64`` sorted, item row times ``n_items`` plus neighbour row.
        shares: ``(n,) float64`` in [0, 1].
        n_items: rows of the vocabulary.
    """

    keys: Int64
    shares: Float64
    n_items: int

    @property
    def items(self) -> Int64:
        """The item rows that anything was said about, sorted."""
        return np.unique(self.keys // self.n_items)

    @property
    def neighbours(self) -> Int64:
        """The rows that were judged as neighbours, sorted."""
        return np.unique(self.keys % self.n_items)

    def of(self, items: Int64, neighbours: Int64) -> Float64:
        """Shares of ``(n,)`` items' ``(n, k)`` neighbours, ``(n, k) float64``; NaN at -1 and where nobody judged."""
        asked = items[:, None] * self.n_items + neighbours
        said = np.full(neighbours.shape, np.nan)
        if len(self.keys):
            place = np.minimum(np.searchsorted(self.keys, asked), len(self.keys) - 1)
            found = (self.keys[place] == asked) & (neighbours >= 0)
            said[found] = self.shares[place[found]]
        return said


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Nobody else adds to a file in this folder meanwhile, where the system has locks; nothing is left behind."""
    if fcntl is None or not path.parent.is_dir():
        yield
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def format_of(path: Path) -> str:
    """``parquet`` or ``csv``. Raises DataError for any other ending."""
    ending = path.suffix.lower()
    if ending not in (".parquet", ".csv"):
        raise DataError(f"Judgements are kept as .parquet or .csv; found {path.name!r}. Name the file accordingly.")
    return ending[1:]


def _read(path: Path) -> pa.Table:
    if not path.is_file():
        raise DataError(f"There is no file {path}; expected judgements with the columns item, neighbour, relevant.")
    try:
        if format_of(path) == "parquet":
            table = pq.read_table(path)
        else:
            text = csv.ConvertOptions(column_types=dict.fromkeys([*SCHEMA.names, *_NAMES], pa.string()))
            table = csv.read_csv(path, convert_options=text)
    except pa.ArrowException as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    table = table.rename_columns([_NAMES.get(name, name) for name in table.column_names])
    missing = [name for name in SCHEMA.names[:3] if name not in table.column_names]
    if missing:
        raise DataError(f"{path} lacks the columns {missing}; found {table.column_names}.")
    if "judge" not in table.column_names:
        table = table.append_column("judge", pa.array([path.stem] * len(table), pa.string()))
    answers = pc.utf8_lower(pc.utf8_trim_whitespace(table["relevant"].cast(pa.string()))).to_pylist()
    wrong = [at for at, answer in enumerate(answers) if answer not in _SAID]
    ids = {name: table[name].cast(pa.string()) for name in ("item", "neighbour")}
    if wrong or any(column.null_count for column in ids.values()):
        where = (
            f"row {wrong[0] + 1}: relevant is {table['relevant'][wrong[0]].as_py()!r}" if wrong else "an id is empty"
        )
        raise DataError(f"{path}, {where}. Expected two ids and true or false in every row.")
    said = pa.array([_SAID[answer] for answer in answers], pa.bool_())
    judges = pc.fill_null(table["judge"].cast(pa.string()), "")
    return pa.table([ids["item"], ids["neighbour"], said, judges], names=SCHEMA.names)
