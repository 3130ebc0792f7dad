"""Tests; helpers that more than one of them uses lie beside them as modules."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
