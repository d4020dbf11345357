"""The demo: tasks, the recorder, recorded answers of a real model, and the traffic of `switchpoint demo`."""
