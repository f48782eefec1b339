"""The engine whose callers share each forward pass."""
