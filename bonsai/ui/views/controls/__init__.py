"""What the tabs share above their results: the form beside the conversation, its options and buttons."""
