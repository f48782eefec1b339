"""The tabs of many chains: Compare and Batch."""
