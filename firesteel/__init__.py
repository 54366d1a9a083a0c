"""Firesteel: an organisation's own documents into its own language model, in six measured stages."""

__version__ = "0.1.0"
