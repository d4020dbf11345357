"""Who may ask for what, and how much: keys, rate limits, budgets, the queue at the door, sessions, the cache."""
