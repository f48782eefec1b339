"""Bonsai: grow better questions with PHI-2 and a LoRA adapter."""

__version__ = "0.1.0"
