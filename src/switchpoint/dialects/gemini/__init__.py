"""Google's generateContent, for upstreams."""
