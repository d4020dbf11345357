"""OpenAI-compatible HTTP over the engine: it reads requests, starts runs, and tells what was decided."""
