"""Where pieces go: prediction, heuristics, exact search and bounds, all of them pure functions."""
