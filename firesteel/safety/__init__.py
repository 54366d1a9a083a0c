"""保安全 The guard around a model: what may go in, what may come out, and how often the guard is wrong. No torch."""
