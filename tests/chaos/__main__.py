"""`python -m tests.chaos`: show the page of the chaos suite; with `--write`, write it."""

from __future__ import annotations

import sys

from tests.chaos.page import PAGE, page


def main(arguments: list[str]) -> None:
    """Write the page where it belongs, or to the standard output."""
    if arguments == ["--write"]:
        PAGE.write_text(page(), "utf-8")
    else:
        sys.stdout.write(page())


if __name__ == "__main__":
    main(sys.argv[1:])
