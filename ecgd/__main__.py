"""``python -m ecgd``."""

from ecgd.cli import main

main()
