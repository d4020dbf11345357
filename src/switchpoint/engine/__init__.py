"""The one loop: ask the strategy, call the upstream, verify, record."""
