"""Pretraining, fine-tuning and reinforcement learning over one loop."""
