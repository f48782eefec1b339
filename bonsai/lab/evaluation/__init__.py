"""The evaluation of adapters: the faults of chains as figures, with the model alone beside it."""
