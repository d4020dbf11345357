"""Conversations: which one a request is of, and what is remembered of it."""
