"""The only code that calls a model. Each kind is one class with `complete`, `stream` and `close`."""

UPSTREAMS: dict[str, str] = {
    "openai": "switchpoint.upstreams.openai_compatible:OpenAICompatible",
    "fake": "switchpoint.upstreams.fake:Fake",
    "replay": "switchpoint.upstreams.replay:Replay",
}
"""Where the class of each kind is; a string, so that naming a kind imports nothing."""
