"""What is said of a run, and the files it is exported to."""
