"""The tabs of the three methods."""
