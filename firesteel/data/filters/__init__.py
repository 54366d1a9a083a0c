"""Which documents are good enough: rules as data, languages, a quality classifier."""
