"""The libraries that a Python has, as JSON: versions, or false where one is
missing."""
import importlib
import json
import platform

found = {"python": platform.python_version()}
for name in ("numpy", "torch", "jax"):
    try:
        found[name] = importlib.import_module(name).__version__
    except ImportError:
        found[name] = False
torch = found["torch"] and importlib.import_module("torch")
found["compile"] = bool(torch and hasattr(torch, "compile")
                        and hasattr(torch, "func"))
print(json.dumps(found))
