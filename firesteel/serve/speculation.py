"""How many tokens to draft: what has paid, measured. Policy only; there is no tensor here.

Drafts cost time whether they are right or not, and on a CPU verifying one can cost nearly a step of its own (more experts are
touched, more rows multiplied). So each number of drafts, none included, is tried now and then at each size of the batch, and
the one with the most tokens a second is kept. The choice changes when a token comes, never which.
"""

from __future__ import annotations

from dataclasses import dataclass, field

TRIAL = 8  # steps that one number of drafts is tried for
STAY = 256  # steps between trials, at first; doubled each time a trial changes nothing
LONGEST = 4096
MEMORY = 0.5  # weight of the newest trial in a rate that was measured before


@dataclass
class _Class:
    """What is known for one size of batch."""

    rates: dict[int, float] = field(default_factory=dict)  # drafts -> tokens a second
    best: int = -1
    trying: int = 0
    left: int = TRIAL  # steps of this trial, or until the next
    stay: int = STAY
    tokens: int = 0
    seconds: float = 0.0
    queue: list[int] = field(default_factory=list)


class Speculation:
    """Chooses the number of drafts, 0 to `most`, for a batch of some size. `fixed`: always that many (tests)."""

    def __init__(self, most: int, fixed: int | None = None) -> None:
        self.most, self.fixed = most, fixed
        self._classes: dict[int, _Class] = {}

    def drafts(self, rows: int) -> int:
        """How many to draft in the next step with so many rows."""
        return self.fixed if self.fixed is not None else self._of(rows).trying

    def record(self, rows: int, drafts: int, tokens: int, seconds: float) -> None:
        """A step that did nothing but decode took `seconds` for `tokens`."""
        c = self._of(rows)
        if self.fixed is not None or drafts != c.trying:
            return
        c.tokens, c.seconds, c.left = c.tokens + tokens, c.seconds + seconds, c.left - 1
        if c.left > 0:
            return
        rate, old = c.tokens / max(c.seconds, 1e-9), c.rates.get(drafts)
        c.rates[drafts] = rate if old is None else (1 - MEMORY) * old + MEMORY * rate
        c.tokens, c.seconds = 0, 0.0
        self._next(c)

    def _next(self, c: _Class) -> None:
        """The next trial, or a while with the best."""
        if c.queue:
            c.trying, c.left = c.queue.pop(0), TRIAL
            return
        best = max(c.rates, key=lambda d: c.rates[d])
        c.stay = min(2 * c.stay, LONGEST) if best == c.best else STAY
        c.best, c.trying, c.left = best, best, c.stay
        c.queue = [d for d in (best - 1, best + 1) if 0 <= d <= self.most]

    def _of(self, rows: int) -> _Class:
        size = max(rows, 1).bit_length()
        if size not in self._classes:
            self._classes[size] = _Class(trying=min(1, self.most), queue=[0, *range(2, self.most + 1)])
        return self._classes[size]
