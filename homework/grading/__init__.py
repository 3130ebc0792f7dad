"""Grading: nbgrader runs every submission, each in a cage of its own. Staff only."""
