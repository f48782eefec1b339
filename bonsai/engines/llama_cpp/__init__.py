"""llama.cpp inside this process: GGUF models and LoRA adapters, on any machine."""
