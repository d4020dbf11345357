"""The memory: the append-only log of records, the feedback that arrives later, and what telemetry sees of both."""
