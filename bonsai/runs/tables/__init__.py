"""Tables that people bring: CSV and Excel files, and objects in JSON, read as they are meant, line by line."""
