"""`python -m steer` is the command `steer`."""

from steer.cli.main import main

main()
