"""What video files and pictures are called, where a folder is searched for them."""

SUFFIXES = frozenset({".mp4", ".webm", ".avi", ".mkv", ".mov", ".m4v", ".mpg", ".mpeg", ".gif", ".wmv", ".flv", ".ts"})
PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
