"""Parts of the page that show a run."""
