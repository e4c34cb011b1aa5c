"""The bundle: manifest, file and signature."""
