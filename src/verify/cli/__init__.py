"""The operator's door: every command of `verify`, each a thin sentence over the rooms below.

It never holds a rule of its own, never prints a secret twice, and never leaves an error without the next step.
Read `errand.py` (how a command runs, prints and fails), `main.py` (the list), then one module for each group.
"""

from verify.cli.main import main

__all__ = ["main"]
