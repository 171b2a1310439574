"""Video files to pixels. Knows no network."""
