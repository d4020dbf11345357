"""One record, many sinks."""

from __future__ import annotations

import logging

from switchpoint.core.protocols import Sink
from switchpoint.core.record import Record

_logger = logging.getLogger(__name__)


def fan_out(*sinks: Sink) -> Sink:
    """Return a sink that hands each record to all of them, in order; one that raises does not keep it from the others.

    A failure is logged by the class of the error alone: its message may quote the record.
    """

    def sink(record: Record) -> None:
        for each in sinks:
            try:
                each(record)
            except Exception as error:
                _logger.warning("Record %s: the sink %r failed (%s).", record.id, each, type(error).__name__)

    return sink
