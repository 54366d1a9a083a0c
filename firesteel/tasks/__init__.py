"""A task is prompts and a verifier; the same function is the evaluation and the RL reward."""
