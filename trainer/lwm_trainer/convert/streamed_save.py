"""Saves arrays that are read while they are written, a few layers in memory at a time: Orbax's own handlers want whole arrays."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import orbax.checkpoint as ocp
import tensorstore

AT_ONCE = 4
"""Layers in memory, each read by a thread of its own. More are not faster: the disk is the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedArray:
    """An array whose values are read when they are written."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    layers: int | None
    """The length of its first axis, whose parts are read one by one; None: it is read as a whole."""
    read: Callable[[int], np.ndarray[Any, Any]]
    """The values of a layer, 0 for an array without layers. Several threads call it at once."""

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape))

    @property
    def nbytes(self) -> int:
        """Bytes of the whole array."""
        return self.size * self.dtype.itemsize


class StreamedArrayHandler(ocp.type_handlers.NumpyHandler):  # type: ignore[misc]  # Orbax is not typed
    """Writes `StreamedArray`s for Orbax, as it writes arrays of NumPy. It reads nothing back."""

    def __init__(self, pool: ThreadPoolExecutor, progress: Callable[[int], None]) -> None:
        """`progress` is called with the bytes of each layer that is written."""
        super().__init__(deepcopy_host_arrays=False)
        self._pool, self._progress = pool, progress
        self._room = asyncio.Semaphore(AT_ONCE)
        self._error: Exception | None = None

    async def _open_and_write(self, value: StreamedArray, tspec: dict[str, Any], ts_context: tensorstore.Context) -> None:
        stored = await tensorstore.open(tensorstore.Spec(tspec), create=True, open=True, context=ts_context)

        async def write(layer: int) -> None:
            async with self._room:
                if self._error is not None:
                    return
                try:
                    values = await asyncio.get_running_loop().run_in_executor(self._pool, value.read, layer)
                    target = stored if value.layers is None else stored[layer]
                    await target.write(values, can_reference_source_data_indefinitely=True)
                except Exception as error:
                    self._error = error
                    return
            self._progress(values.nbytes)

        await asyncio.gather(*(write(layer) for layer in range(value.layers or 1)))

    async def _background_serialize(self, *arguments: Any, **options: Any) -> None:
        """Raises the first error when all layers are done: those in flight would otherwise outlive the save."""
        await super()._background_serialize(*arguments, **options)
        if self._error is not None:
            raise self._error
