"""Charts as SVG drawn here, so that a page needs no plotting library, shows without a script and prints sharply."""
