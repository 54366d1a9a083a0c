"""Training parted among processes: data, expert, tensor, context and pipeline parallelism."""
