"""The data of a training run: what each record teaches, in tokens and batches."""
