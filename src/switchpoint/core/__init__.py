"""The words: what every other room speaks of. It imports none of them."""
