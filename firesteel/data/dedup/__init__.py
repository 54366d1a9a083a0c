"""Duplicates: exact and near, of documents, paragraphs and lines."""
