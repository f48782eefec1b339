"""The commands of `python -m bonsai`, a module for each; their options are in `bonsai.cli.parser`."""
