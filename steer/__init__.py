"""steer: an edge proxy that steers traffic between datacentres."""

__version__ = "0.1.0"
