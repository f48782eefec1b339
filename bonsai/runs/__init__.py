"""Many chains: what is asked, kept in a journal, and resumed."""
