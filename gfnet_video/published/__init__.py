"""Checkpoints that other projects published, read without executing anything and rebuilt as models of this package."""
