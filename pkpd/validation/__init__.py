"""Models beside published numbers, and their documents."""
