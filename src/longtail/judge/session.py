"""One judge's way through the questions: every answer is on disk before the next question is asked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from longtail.core.errors import DataError
from longtail.data.judgements import Judgements
from longtail.judge.questions import Neighbours, Question, ask


class Session:
    """Asks a judge about items one after the other; begun again with the same file, it goes on where it stopped.

    Args:
        neighbours: of the bundle that is judged.
        items: asked about in this order.
        judge: a name; several judges may share a file.
        path: the file of judgements, Parquet or CSV; what is in it stays.

    Raises:
        DataError: the file cannot be read.
    """

    def __init__(self, neighbours: Neighbours, items: Sequence[str], judge: str, path: Path) -> None:
        self.neighbours = neighbours
        self.items = list(items)
        self.judge = judge
        self.path = path
        self.judgements = Judgements.read(path) if path.exists() else Judgements.none()
        self._asked: dict[str, Question] = {}
        said = self.judgements.by_judge().get(judge, {})
        self._place = 0
        while self._place < len(self.items) and all(
            (self.items[self._place], one) in said for one in self._at(self._place).neighbours
        ):
            self._place += 1

    @property
    def place(self) -> int:
        """How many questions are behind the judge."""
        return self._place

    @property
    def question(self) -> Question | None:
        """What is asked now; None at the end."""
        return self._at(self._place) if self._place < len(self.items) else None

    @property
    def marked(self) -> frozenset[str]:
        """The neighbours of the question that this judge called irrelevant before; none at the end."""
        question = self.question
        if question is None:
            return frozenset()
        said = self.judgements.by_judge().get(self.judge, {})
        return frozenset(one for one in question.neighbours if said.get((question.item, one)) is False)

    def answer(self, irrelevant: Collection[str]) -> None:
        """Write down what does not belong beside the item, and that everything else does; go on.

        Raises:
            DataError: there is no question, a neighbour was not asked about, or the file cannot be written.
        """
        question = self.question
        if question is None:
            raise DataError("Every question has been answered.")
        strange = sorted(set(irrelevant) - set(question.neighbours))
        if strange:
            raise DataError(f"{strange[0]!r} is no neighbour that was shown beside {question.item!r}.")
        rows = [(question.item, one, one not in irrelevant, self.judge) for one in question.neighbours]
        self.judgements = Judgements.add(self.path, rows)
        self._place += 1

    def back(self) -> None:
        """To the question before, to answer it anew; at the first nothing happens."""
        self._place = max(0, self._place - 1)

    def _at(self, place: int) -> Question:
        item = self.items[place]
        if item not in self._asked:
            self._asked[item] = ask(self.neighbours, item, judge=self.judge)
        return self._asked[item]
