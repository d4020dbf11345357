"""What is made of a rating: the quality estimator of a rated router."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from switchpoint.config.routers import RatedRouter
from switchpoint.core.catalog import Catalog
from switchpoint.core.errors import ArtifactError
from switchpoint.estimators.artifact import Artifact
from switchpoint.estimators.rating import RatedQuality
from switchpoint.upstreams.rating import signal_of


def rated_quality(
    section: RatedRouter, models: Catalog, ability: Mapping[str, float], trained: Artifact | None
) -> RatedQuality:
    """Return the quality estimator of a rated router: from its artifact, else from stated abilities.

    Raises ArtifactError for an artifact that was fitted to another rater.
    """
    signal = signal_of(section.rater, section.way)
    if trained is None:
        return RatedQuality.stated(signal, models.ids, np.array([ability[model] for model in models.ids]))
    found = RatedQuality.restore(trained)
    if found.signal != signal:
        raise ArtifactError(
            f"{section.artifact}: was fitted to the signal {found.signal!r}, this router's rater gives {signal!r}. "
            "Fit it again, or name the rater and the way that it was fitted to."
        )
    return found
