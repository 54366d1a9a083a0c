"""`python -m firesteel` is `firesteel`."""

from firesteel.cli import main

main()
