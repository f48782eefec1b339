"""The commands of `python -m bonsai`, a module for each.

What a command needs is imported when it runs, so that `--help` answers at once.
"""
