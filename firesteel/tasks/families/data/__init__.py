"""Facts and questions of our own that stand in files."""
