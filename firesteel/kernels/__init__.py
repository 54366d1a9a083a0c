"""Hot operations behind one table: op -> {reference, fast paths}."""
