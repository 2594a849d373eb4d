"""Settings of all tests."""

from hypothesis import settings

# An example that takes long on a busy machine is no failure: speed is for the benchmark.
settings.register_profile("steer", deadline=None)
settings.load_profile("steer")
