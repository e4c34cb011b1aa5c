"""What a conversion or an inspection tells, for programs and for people."""
