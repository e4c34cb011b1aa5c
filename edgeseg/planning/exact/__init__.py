"""Lower bounds, branch and bound, and the mixed-integer formulation."""
