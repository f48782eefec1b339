"""How alike texts are, and what a Reasoning is worth."""
