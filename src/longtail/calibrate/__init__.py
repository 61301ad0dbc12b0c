"""Every choice that is made on validation, and the alternation of bridge and blend."""
