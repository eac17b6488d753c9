"""The door to llmcompressor: `LoBiModifier`, one entry in a recipe. Importing this package registers it.

import hola_plugins.llmcompressor
texts = datasets.Dataset.from_dict({"text": [...]})
oneshot(model=model, recipe="lobi.yaml", dataset=texts, shuffle_calibration_samples=False, output_dir="out")
"""

from __future__ import annotations

try:
    import llmcompressor  # noqa: F401 - checked before the modules that need it
except ImportError as error:
    message = (
        "'llmcompressor' is not installed. Install it, in an environment without vLLM, "
        "with: pip install 'hola-plugins[llmcompressor]'"
    )
    raise ImportError(message) from error

from hola_plugins.llmcompressor.modifier import LoBiModifier

__all__ = ["LoBiModifier"]
