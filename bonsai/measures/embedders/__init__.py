"""Embedders: models that turn texts into vectors, where their files are, and how they are opened."""
