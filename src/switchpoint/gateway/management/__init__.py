"""The listener for operators: its paths, who may ask for them, keys."""
