"""Words every part of longtail shares: ids, vectors, features, rankings, errors."""
