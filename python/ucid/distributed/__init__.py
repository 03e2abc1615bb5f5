"""One plan, five engines: identifiers, scores and sums of tables that lie on a cluster.

``create``, ``parse``, ``score``, ``grid`` and ``aggregate`` take a Dask DataFrame, a Ray Dataset, a Spark DataFrame, a Modin
DataFrame, an Arrow table or paths, and give the same kind back, lazy where the engine is lazy, with the same bytes on all of
them. Engines are loaded when they are asked for.

>>> import pyarrow as pa
>>> places = pa.table({"lat": [41.015], "lon": [28.979]})
>>> create(places, city="IST", timestamp="2026W01T12", context="15MIN").column("ucid")[0].as_py()
'UCID-V1:IST:+41.015:+28.979:9:891ec90243bffff:2026W01T12:15MIN:F:0.00:'
"""

from __future__ import annotations

import os
from typing import Any

from ucid.distributed import choose as _choose
from ucid.distributed.plan import Plan

__all__ = ["create", "parse", "score"]


def _apply(data: Any, plan: Plan, engine: str) -> Any:
    name = _choose.choose(data, engine)
    adapter = _choose.adapter(name)
    if _choose.is_path(data):
        data = adapter.read([data] if isinstance(data, (str, os.PathLike)) else list(data))
    return adapter.apply(data, plan)


def create(data: Any, *, engine: str = "auto", **options: Any) -> Any:
    """Identifiers of places: adds ``ucid`` and ``status``; options of :func:`ucid.create`.

    Parameters
    ----------
    data : collection of an engine, table that speaks Arrow, path, URI, or list of paths
    engine : {"auto", "local", "dask", "ray", "spark", "modin"}
        ``auto``: that of the collection; for paths, by their bytes.
    """
    return _apply(data, Plan.create(**options), engine)


def parse(data: Any, *, engine: str = "auto", **options: Any) -> Any:
    """Fields of identifiers; options of :func:`ucid.parse`."""
    return _apply(data, Plan.parse(**options), engine)


def score(data: Any, context: str = "15MIN", *, index: Any = None, engine: str = "auto", **options: Any) -> Any:
    """Scores of places on the real street network; options of :func:`ucid.score`.

    Workers open the index, or those of the catalog, by address and id: a path must be the same on every worker, a URI is
    fetched once a host.
    """
    return _apply(data, Plan.score(context, index=index, **options), engine)
