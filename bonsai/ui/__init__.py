"""The page: one builder per tab, and one wiring for all of them."""
