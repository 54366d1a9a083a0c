"""Sources to documents: files found, decoded, and taken apart by format."""
