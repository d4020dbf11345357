"""Connections to what replicas share, PostgreSQL and Redis: opening, waiting, coming back; no meaning of their own."""
