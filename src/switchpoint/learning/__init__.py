"""Datasets in, trained and tuned routers out: sequences of steps, no algorithms of their own."""
