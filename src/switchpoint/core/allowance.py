"""Allowance: what is extra stays a share of what is ordinary, so that it cannot multiply load in an outage."""

from __future__ import annotations

import math

from switchpoint.core.errors import ConfigError


class Allowance:
    """A token bucket that fills by ordinary calls instead of by time: a retry or a hedge takes one token.

    share : tokens that an ordinary call earns, 0 or more; so about this share of calls may be extra.
    burst : the most that is saved up, 1 or more; what there is at the beginning.

    After n ordinary calls at most burst + share * n extra ones were let through.
    Source: retry throttling of gRPC (proposal A6) and Finagle's RetryBudget. Differs: no clock.
    """

    def __init__(self, share: float, burst: float = 10.0) -> None:
        if not 0 <= share < math.inf or not 1 <= burst < math.inf:
            raise ConfigError(
                f"An allowance needs a share of 0 or more and a burst of 1 or more. Got {share}, {burst}."
            )
        self.share = share
        self.burst = burst
        self.left = burst

    def earn(self) -> None:
        """Note an ordinary call."""
        self.left = min(self.burst, self.left + self.share)

    def take(self) -> bool:
        """Let one extra call through, or say that it must not be made."""
        if self.left < 1:
            return False
        self.left -= 1
        return True
