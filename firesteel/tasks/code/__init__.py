"""Problems whose answers are programs: made, run in the sandbox, judged by what they return."""
