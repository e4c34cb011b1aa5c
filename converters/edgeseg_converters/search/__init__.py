"""The search over recipes: the smallest, fastest or lightest bundle within a drop of Dice."""
