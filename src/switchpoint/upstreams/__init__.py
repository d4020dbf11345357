"""The only code that calls a model. Each kind is one class with `complete`, `stream` and `close`."""

UPSTREAMS: dict[str, str] = {
    "openai": "switchpoint.upstreams.openai_compatible:OpenAICompatible",
    "anthropic": "switchpoint.upstreams.anthropic:Anthropic",
    "gemini": "switchpoint.upstreams.gemini:Gemini",
    "any_llm": "switchpoint.upstreams.any_llm:AnyLLM",
    "fake": "switchpoint.upstreams.fake:Fake",
    "replay": "switchpoint.upstreams.replay:Replay",
}
"""Where the class of each kind is; a string, so that naming a kind imports nothing."""
