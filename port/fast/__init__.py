"""The fast paths beside the plain engine: the same numbers with less work (docs/padding.md)."""
