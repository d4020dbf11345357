"""Anthropic's Messages, both ways: of callers (`messages.py`) and of upstreams (`sending.py`, `receiving.py`)."""
