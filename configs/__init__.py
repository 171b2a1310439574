"""The configurations that ship with the package, as `gfnet_video.configs`: flat, complete YAML files."""
