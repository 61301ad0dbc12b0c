"""The bridge: the learned map from content to the space of behaviour."""
