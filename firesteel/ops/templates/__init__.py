"""Jinja templates of the report page and of the model card."""
