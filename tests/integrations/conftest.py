"""Paths of what tests import: the files that an operator copies, and the modules of this folder."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "integrations" / "langchain"))
sys.path.insert(0, str(Path(__file__).parent))
