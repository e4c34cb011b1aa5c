"""Files written whole or not at all, caches, key files, bounded archives."""
