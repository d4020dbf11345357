"""OpenAI's Responses, for callers."""
