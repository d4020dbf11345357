"""The protocols that callers and upstreams speak, each translated to and from OpenAI's chat completions; pure."""
