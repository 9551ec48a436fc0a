"""verify: signed e-certificates for vocational qualifications and skill levels, and their public verification."""

__version__ = "0.1.0"
