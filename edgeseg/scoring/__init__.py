"""How well masks agree with the truth: Dice, surface Dice, KiTS evaluation."""
