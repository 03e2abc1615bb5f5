"""What a job is and what of it is done, beside its output, so that it can go on after any end.

    CHECKPOINT/manifest.json    written once, before the first task: command, inputs with size and tag, parts, digest
    CHECKPOINT/done/PART.json   written by the worker that has put its files: sha256, bytes, rows, statuses
    CHECKPOINT/report.json      written last: the job is whole

A part that has no record is done again; its name and its bytes follow from the manifest alone, so whoever writes it twice
writes the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ucid.distributed import storage
from ucid.errors import UCIDConfigError, UCIDDataError

__all__ = ["FORMAT", "Manifest", "done_uri", "record"]

FORMAT = 1
NAME = "manifest.json"


def done_uri(checkpoint: str, part: str) -> str:
    return f"{checkpoint}/done/{part}.json"


def record(checkpoint: str, part: str, said: dict[str, Any]) -> None:
    """Tell that a part is whole. A record that is lost with its host's power costs its part once more."""
    storage.put(done_uri(checkpoint, part), [json.dumps(said, sort_keys=True).encode()], settled=False)


@dataclass
class Manifest:
    """A job as it was planned."""

    checkpoint: str
    command: str
    output: str
    digest: str  # of what decides the bytes: version, options, ids of indexes, writer
    inputs: list[dict[str, Any]]  # uri, size, tag, rows; error where it cannot be read
    parts: list[dict[str, Any]]  # name, files, and what the task needs

    def _text(self) -> bytes:
        said = {"format": FORMAT, "command": self.command, "output": self.output, "digest": self.digest,
                "inputs": self.inputs, "parts": self.parts}  # fmt: skip
        return json.dumps(said, sort_keys=True).encode()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self._text()).hexdigest()

    def create(self) -> None:
        """Write it where there is none.

        Raises
        ------
        UCIDConfigError
            There is a job already.
        """
        if not storage.put(f"{self.checkpoint}/{NAME}", [self._text()], new=True):
            message = f"{self.checkpoint} holds a job already: go on with it by --resume, or do it again by --overwrite"
            raise UCIDConfigError(message, code="CHECKPOINT_EXISTS")

    @classmethod
    def read(cls, checkpoint: str) -> Manifest | None:
        """The job of a checkpoint; None where there is none."""
        try:
            text = storage.get(f"{checkpoint}/{NAME}")
        except storage.Missing:
            return None
        try:
            said = json.loads(text)
            if said["format"] != FORMAT:
                raise UCIDDataError(f"{checkpoint}: its manifest is of format {said['format']}, not {FORMAT}")
            return cls(checkpoint, said["command"], said["output"], said["digest"], said["inputs"], said["parts"])
        except (KeyError, TypeError, ValueError) as error:
            raise UCIDDataError(f"{checkpoint}/{NAME}: not a manifest: {error!r}") from error

    def must_equal(self, planned: Manifest) -> None:
        """Refuse to go on with a job that would not give the same bytes.

        Raises
        ------
        UCIDConfigError
            Naming what differs: command, output, options, index, or an input.
        """
        said = f"{self.checkpoint}: cannot go on:"
        if (self.command, self.output) != (planned.command, planned.output):
            raise UCIDConfigError(f"{said} it is of `{self.command}` to {self.output}")
        if self.digest != planned.digest:
            raise UCIDConfigError(f"{said} options, index or versions are not those that it began with")
        before = {one["uri"]: one for one in self.inputs}
        for one in planned.inputs:
            old = before.pop(one["uri"], None)
            if old is None:
                raise UCIDConfigError(f"{said} {one['uri']} is new")
            if (old["size"], old["tag"]) != (one["size"], one["tag"]):
                raise UCIDConfigError(f"{said} {one['uri']} has changed since")
        for uri in before:
            raise UCIDConfigError(f"{said} {uri} is gone")

    def done(self, parts: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Records of those parts that are whole: their files are there with the sizes that were written."""
        written = storage.list_names(f"{self.checkpoint}/done")
        told = [part for part in parts if f"{part['name']}.json" in written]
        there: dict[str, int] = {}
        for folder in sorted({uri.rpartition("/")[0] for part in told for uri in part["files"]}):
            there.update((f"{folder}/{name}", size) for name, size in storage.list_names(folder).items())

        def whole(part: dict[str, Any]) -> dict[str, Any] | None:
            try:
                said: dict[str, Any] = json.loads(storage.get(done_uri(self.checkpoint, part["name"])))
            except (ValueError, storage.Missing):
                return None
            made = said["files"]
            return said if all(uri in made and there.get(uri) == made[uri]["bytes"] for uri in part["files"]) else None

        with ThreadPoolExecutor(16) as pool:
            return {part["name"]: said for part, said in zip(told, pool.map(whole, told), strict=True) if said is not None}

    def clear(self) -> None:
        """Remove the job and what it has written."""
        for part in self.parts:
            for uri in part["files"]:
                storage.remove(uri)
        for folder in ("states", "done"):
            for name in storage.list_names(f"{self.checkpoint}/{folder}"):
                storage.remove(f"{self.checkpoint}/{folder}/{name}")
        storage.remove(f"{self.checkpoint}/report.json")
        storage.remove(f"{self.checkpoint}/{NAME}")
