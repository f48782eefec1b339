"""The benchmark: Bonsai beside the usual way, on the same weights, prompts, seeds and token counts."""
