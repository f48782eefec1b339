"""The seedling: a small PHI-architecture model and LoRA adapter that stand in for PHI-2 where there is no GPU."""
