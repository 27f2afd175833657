"""`python -m ctc_core`: see `ctc_core.cli`."""

from ctc_core.cli import main

main()
