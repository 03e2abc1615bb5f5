"""Accessors of libraries that are imported after this package: ``df.ucid`` is there whichever comes first.

An accessor is registered by a module of ours that imports its library. So that nobody waits for a library that is not used,
that module is loaded at once where the library is there already, and else when the library has been imported: a finder sees
it come, lets the others find it, and leaves no trace in it.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # without a wait for typing
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

__all__ = ["welcome"]

_followers: dict[str, str] = {}  # modules of ours by the library that they wait for


def _load(follower: str) -> None:
    """Whoever imports a library did not ask for our accessor; what keeps it from loading is told where it is asked for."""
    try:
        __import__(follower)
    except Exception:
        pass


class _Loader:
    """Another's loader, which it gives back before it runs."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self.inner.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self.inner
        if module.__spec__ is not None:
            module.__spec__.loader = self.inner
        self.inner.exec_module(module)
        follower = _followers.pop(module.__name__, None)
        if follower is not None:
            _load(follower)


class _Finder:
    """Finds what is awaited, by the finders behind it."""

    @classmethod
    def find_spec(cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in _followers:
            return None
        for finder in sys.meta_path:
            spec = None if finder is cls else finder.find_spec(name, path, target)
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
                return spec
        return None


def welcome(library: str, follower: str) -> None:
    """Load a module of this package as soon as a library has been imported: now, where it has."""
    if sys.modules.get(library) is not None:
        _load(follower)
        return
    _followers[library] = follower
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)
