"""The page of a conversion: the U with its cuts, and what each piece costs."""
