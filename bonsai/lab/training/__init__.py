"""Training: a LoRA adapter that writes Reasoning, answers and next questions, from records in a JSONL file."""
