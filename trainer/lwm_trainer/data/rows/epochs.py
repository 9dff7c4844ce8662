"""The rows of a data set, epoch after epoch.

Where draws decide what records become, each epoch of a cycle has segments and rows of its own: it is planned when its first row is asked
for, and again never. So row r is known without any history but at most one cycle.
"""

from functools import lru_cache

from lwm_trainer import config
from lwm_trainer.data.documents.span import DocumentSource
from lwm_trainer.data.drawn_epochs import DRAWN_EPOCHS
from lwm_trainer.data.rows.packing import PackingPlan
from lwm_trainer.data.rows.selection import Segments, Selection, select_segments


class EpochRows:
    """Rows of `row_length` tokens; `key` seeds the shuffles, `bucketed` is as in `PackingPlan`."""

    def __init__(self, source: DocumentSource, row_length: int, dataset: config.Dataset, *key: int, bucketed: bool = False) -> None:
        """Plan the first epoch. Raises what `select_segments` raises."""
        self._source, self._row_length, self._dataset = source, row_length, dataset
        self._key, self._bucketed = key, bucketed
        self._cycle = 1 if source.epochs is None else DRAWN_EPOCHS
        self._plan = lru_cache(maxsize=None)(self._make_plan)
        self.selection = self._select(0)
        """What the first epoch is made of."""
        self.first = self._plan(0)
        """Plan of the first epoch."""

    def row(self, number: int) -> Segments:
        """The segments of row `number` of the run, in their order in the row."""
        epoch, index = self._locate(number)
        return self._plan(epoch % self._cycle).row(epoch, index)

    def tokens(self, number: int) -> int:
        """Tokens in row `number` of the run."""
        epoch, index = self._locate(number)
        return self._plan(epoch % self._cycle).tokens(epoch, index)

    def tokens_before(self, number: int) -> int:
        """Tokens in the rows of the run before row `number`."""
        epoch, index = self._locate(number)
        cycles, place = divmod(epoch, self._cycle)
        sizes = [self._plan(each).size for each in range(self._cycle if cycles else place)]
        return cycles * sum(sizes) + sum(sizes[:place]) + self._plan(place).tokens_before(epoch, index)

    def _locate(self, number: int) -> tuple[int, int]:
        """The epoch of a row of the run, and the row's index in it."""
        first = 0
        for place in range(self._cycle):
            rows = self._plan(place).rows
            if number < first + rows:
                return place, number - first
            first += rows
        cycles, rest = divmod(number, first)
        place, index = self._locate(rest)
        return cycles * self._cycle + place, index

    def _select(self, place: int) -> Selection:
        return select_segments(self._source, self._row_length, self._dataset, place)

    def _make_plan(self, place: int) -> PackingPlan:
        selection = self._select(place) if place else self.selection
        return PackingPlan(selection.segments, self._row_length, *self._key, bucketed=self._bucketed)
