"""Bonsai: grow better questions with PHI-2 and a LoRA adapter."""

import logging

__version__ = "0.1.0"

# PEFT imports bitsandbytes, which on some CPUs says at every start that a kernel for 4 bits could be fetched.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
