"""What a click sets going: GPU, streaming, files."""
