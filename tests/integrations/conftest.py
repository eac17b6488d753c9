"""Path of the files that an operator copies and a test imports."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "integrations" / "langchain"))
