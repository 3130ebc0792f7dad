"""Where the method ends, each limit by an experiment on the networks of a run. Nothing here trains."""
