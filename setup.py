"""For tools that look for it: everything is in pyproject.toml. Install with: pip install -e ."""

from setuptools import setup

setup()
