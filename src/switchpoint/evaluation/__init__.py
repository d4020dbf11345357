"""What a router is worth: recorded outcomes replayed through it, as curves, metrics and intervals."""
