"""Units and suggestions: numbers and names as people write them."""
