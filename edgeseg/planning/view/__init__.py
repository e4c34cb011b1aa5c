"""A plan as data for programs, as tables and as a picture."""
