"""Commands that need a file of their own: their options, and how their facts are printed. cli.py attaches them."""
