"""Smaller models: quantised weights, exports."""
