"""The page people look at: what a bundle does for a shop, and where it does not help. Reads, never measures anew."""
