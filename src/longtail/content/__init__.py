"""Content: encoders from catalog rows to features, their preparation and their cache."""
