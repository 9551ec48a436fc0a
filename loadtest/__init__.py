"""Measures the running service against bare servers in the same run, and checks the answers while it does.

It never runs against anything but loopback, ends only processes that it started, and takes no short cut that
a user could not take. In reading order: `machine`, `installation`, `services`, `generators`, `checking`, the
scenarios (`lookups`, `guests`, `growth`, `issuing`, `storm`, `starting`, `papers`), `results`, `plots`.
"""
