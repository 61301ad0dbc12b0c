"""People judge neighbours, blind: two columns in random order, nobody is told which method made which."""
