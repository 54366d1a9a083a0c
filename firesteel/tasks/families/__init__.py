"""Problems that are made by rule, a family a file: questions in two languages, worked solutions, verifiers."""
