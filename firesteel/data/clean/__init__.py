"""Text to clean text, Chinese first."""
