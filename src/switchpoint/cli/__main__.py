"""`python -m switchpoint.cli` is `switchpoint`."""

from switchpoint.cli import main

main()
