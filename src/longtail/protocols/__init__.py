"""Protocols: split, train on what may be seen, rank, measure; the question each one answers is in its file."""
