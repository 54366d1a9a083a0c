"""Guides: what a sequence may say next, by grammar, by thought budget, by tool."""
