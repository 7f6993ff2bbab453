"""Deviations written by hand, by the part of the protocol that they break; importing this enters them all."""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
