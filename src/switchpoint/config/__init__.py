"""switchpoint.toml as data: read once, checked whole, frozen after."""
