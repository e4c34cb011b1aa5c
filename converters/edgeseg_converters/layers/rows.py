"""Row arithmetic: the input rows that a layer reads, and the output rows of a part of them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rows:
    """A range of rows of a tensor, counted from its top; ``stop`` is behind the last."""

    start: int
    stop: int

    @property
    def count(self) -> int:
        """Number of rows."""
        return self.stop - self.start

    def holds(self, other: "Rows") -> bool:
        """Say whether all rows of another range are among these."""
        return self.start <= other.start and other.stop <= self.stop

    def hull(self, other: "Rows") -> "Rows":
        """Return the smallest range that holds both."""
        return Rows(min(self.start, other.start), max(self.stop, other.stop))

    def meet(self, other: "Rows") -> "Rows":
        """Return the rows that are in both ranges; of no rows where there are none."""
        start = max(self.start, other.start)
        return Rows(start, max(start, min(self.stop, other.stop)))


@dataclass(frozen=True, slots=True)
class RowMap:
    """How rows of a layer's output depend on rows of its input.

    Output row ``o`` reads the input rows ``(step * o + low) // per`` to ``(step * o + high) //
    per``; those beyond the image are its padding. A tile is an input of fewer rows. The same
    layer applied to it makes the same rows wherever it sees the same input; at an edge that is
    none of the image's it makes rows that nobody may read.

    Attributes
    ----------
    step
        Input rows from one output row to the next, or 1.
    per
        Output rows made of each input row, or 1.
    low, high
        Reach of an output row.
    lost
        Output rows that a layer without padding makes fewer than one with it.
    height, made_height
        Rows of the whole input and output.
    """

    step: int
    per: int
    low: int
    high: int
    lost: int
    height: int
    made_height: int

    def reads(self, outputs: Rows) -> Rows:
        """Return the rows of the image's input that output rows depend on."""
        start = (self.step * outputs.start + self.low) // self.per
        stop = (self.step * (outputs.stop - 1) + self.high) // self.per + 1
        return Rows(min(max(start, 0), self.height - 1), max(min(stop, self.height), 1))

    def align(self, rows: Rows) -> Rows:
        """Return the smallest range that holds the rows and that a tile may be.

        A stride must begin where the image's does; and as padding is divided by what the height
        leaves over, a tile must leave over the same.
        """
        start = rows.start - rows.start % self.step
        stop = rows.stop if self.lost else rows.stop + (self.height - rows.stop) % self.step
        return Rows(start, min(stop, self.height))

    def makes(self, tile: Rows) -> Rows:
        """Return the output rows that the layer makes of an aligned tile, edges included."""
        start = tile.start * self.per // self.step
        return Rows(start, start - (self.lost - tile.count * self.per) // self.step)


@dataclass(frozen=True, slots=True)
class Shift(RowMap):
    """Rows put before and behind the image, or taken away; tiles differ in how many."""

    def makes(self, tile: Rows) -> Rows:
        """Return the output rows of a tile: only the image's own edges are padded."""
        start = 0 if tile.start == 0 else max(tile.start - self.low, 0)
        at_end = tile.stop == self.height
        return Rows(
            start, self.made_height if at_end else min(tile.stop - self.low, self.made_height)
        )

    def edges(self, tile: Rows) -> tuple[int, int]:
        """Return how many rows go before and behind a tile; negative where they go away."""
        outputs = self.makes(tile)
        return tile.start - self.low - outputs.start, outputs.stop - (tile.stop - self.low)
