"""One question: prompts, methods, steps, the guard against repeats."""
