"""Post-processing in three dimensions: rules on the bodies of labels, and what they changed."""
