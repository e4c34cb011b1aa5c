"""What a placement would do: load, latency, simulation, objective."""
