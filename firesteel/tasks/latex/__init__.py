"""Problems whose answers are formulas: made, read, compared by math-verify in a process of its own."""
