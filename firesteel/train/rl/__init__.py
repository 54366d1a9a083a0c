"""Reinforcement learning with verifiable rewards: answers are sampled and judged (rollouts), compared (credit), learnt (grpo)."""
