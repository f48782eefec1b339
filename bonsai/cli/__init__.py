"""The command line: options in, a request, files out."""
