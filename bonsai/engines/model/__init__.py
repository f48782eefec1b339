"""Models of transformers: loading, adapters, number formats."""
