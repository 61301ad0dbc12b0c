"""From a shop's files, databases and dataframes to interactions and a catalog."""
