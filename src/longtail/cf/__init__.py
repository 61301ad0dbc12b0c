"""Collaborative filtering: the ALS solver and estimator, and the baselines beside it."""
