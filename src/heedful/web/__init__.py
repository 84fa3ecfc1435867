"""The HTTP surface: routes.py lists all of it."""
