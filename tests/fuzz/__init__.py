"""Fuzzing: whatever comes in, from callers or from upstreams, there is a right answer, a plain refusal, and no leak."""
