"""The engine that decodes one run at a time, for ZeroGPU."""
