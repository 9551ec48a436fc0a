"""Shared machines are slow at times: hypothesis counts examples here, not milliseconds."""

from hypothesis import settings

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")
