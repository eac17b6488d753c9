"""Path of the modules that these tests share."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), *(str(HERE.parent / name) for name in ("corpus", "langchain_door", "hsd"))]
