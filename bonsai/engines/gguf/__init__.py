"""Models as GGUF files: where they are, and what their headers say."""
