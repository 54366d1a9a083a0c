"""The data stage as phases of many small tasks: each writes one folder that appears whole or not at all."""
