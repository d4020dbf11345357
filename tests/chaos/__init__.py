"""The chaos suite: what goes wrong, how it is asked, and what must come of it; observed must equal declared."""
