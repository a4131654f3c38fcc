"""A finished store for other programs: Parquet and CSV, one row a point, or NetCDF."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from theory_sim.errors import require
from theory_sim.files import check_target, replacing
from theory_sim.sweep.schema import FREQUENCY, RECORD
from theory_sim.sweep.store import Coordinate, SweepStore, open_sweep, reading

if TYPE_CHECKING:
    import pyarrow as pa
    import xarray as xr

SUFFIXES = {"parquet": ".parquet", "csv": ".csv", "netcdf": ".nc"}
ROWS = 1 << 16  # written together: memory stays bounded whatever the number of points is
LARGEST_NETCDF = 2**31  # bytes of a variable in NetCDF's format 3


def targets(path: Path, formats: list[str]) -> list[Path]:
    """The files beside the store that the `formats` become.

    formats: words of SUFFIXES, several in one separated by commas. Raises InputError on another word, or a target
    that cannot be written.
    """
    words = [word.strip() for text in formats for word in text.split(",")]
    for word in words:
        require(word in SUFFIXES, f"--export {word}: allowed are {', '.join(SUFFIXES)}")
    found = [path.with_suffix(SUFFIXES[word]) for word in dict.fromkeys(words)]
    for target in found:
        if target.parent.exists():
            check_target("--export", target, [target.suffix])
    return found


def export(store: SweepStore, target: Path) -> None:
    """Write all of a store to `target`, by its suffix; beside it first, then renamed.

    A table (.parquet, .csv) has one row a point: every swept key, then every variable, empty where a point has no
    value; τ along training is tau[0], tau[1], ..., a verdict verdict[eq14,printed], codes of one value are words;
    spectra are left out. NetCDF has everything, a complex variable as two. Raises InputError if a chunk is damaged
    or the disk refuses.
    """
    with replacing([target]) as (fresh,):
        if target.suffix == ".nc":
            _write_netcdf(store.path, fresh)
        else:
            _write_table(store, fresh)


def _write_table(store: SweepStore, target: Path) -> None:
    import pyarrow as pa

    pieces: list[pa.Table] = []
    writer = None
    try:
        for chunk in range(store.layout.n_chunks):
            pieces.append(_table(store, chunk))
            if sum(map(len, pieces)) >= ROWS or chunk == store.layout.n_chunks - 1:
                table = pa.concat_tables(pieces).combine_chunks()
                writer = writer or _writer(target)(target, table.schema)
                writer.write_table(table)
                pieces.clear()
    finally:
        if writer is not None:
            writer.close()


def _writer(target: Path) -> Callable[[Path, pa.Schema], Any]:
    from pyarrow.csv import CSVWriter
    from pyarrow.parquet import ParquetWriter

    return ParquetWriter if target.suffix == ".parquet" else CSVWriter


def _table(store: SweepStore, chunk: int) -> pa.Table:
    """One chunk as rows."""
    import pyarrow as pa

    names = [name for name in store.names if FREQUENCY not in store.dims(name)]
    coordinates = store.coordinates()
    columns = _swept_columns(store, coordinates, chunk)
    for name, values in store.read(chunk, names).items():
        absent = np.isnan(values) if values.dtype.kind == "f" else values == store.missing(name)
        if values.ndim == 1 and (meanings := store.flags(name)):
            words = np.array([meanings.get(int(code)) for code in values.tolist()], object)
            columns[name] = pa.array(words, pa.string())
            continue
        dims = store.dims(name)
        labels = [range(len(c.values)) if c.dim == RECORD else c.values for c in (coordinates[dim] for dim in dims)]
        for place, label in zip(np.ndindex(values.shape[1:]), product(*labels), strict=True):
            column = f"{name}[{','.join(map(str, label))}]" if label else name
            columns[column] = pa.array(values[:, *place], mask=absent[:, *place])
    return pa.table(columns)


def _swept_columns(store: SweepStore, coordinates: dict[str, Coordinate], chunk: int) -> dict[str, pa.Array]:
    import pyarrow as pa

    swept = list(store.attributes["swept"])
    index = dict(zip(swept, np.unravel_index(np.arange(*store.layout.span(chunk)), store.layout.shape), strict=True))
    return {
        name: pa.array(_plain(coordinate.values[index[coordinate.dim]]))
        for name, coordinate in coordinates.items()
        if coordinate.dim in swept
    }


def _plain(values: NDArray) -> NDArray:
    return values.astype(object) if values.dtype.kind == "U" else values


def _write_netcdf(path: Path, target: Path) -> None:
    """NetCDF's format 3, by SciPy, which has neither complex numbers nor lists of words."""
    from theory_sim.simulation.storage import write_dataset

    with reading(path):
        dataset = _real(open_sweep(path))
        largest = max((variable.nbytes for variable in dataset.data_vars.values()), default=0)
        require(largest < LARGEST_NETCDF, f"{path}: a variable of {largest:,} bytes does not fit NetCDF; use parquet")
        for name, value in dataset.attrs.items():
            if isinstance(value, list | dict):
                simple = isinstance(value, list) and all(isinstance(item, str) for item in value)
                dataset.attrs[name] = " ".join(value) if simple else json.dumps(value, ensure_ascii=False)
        write_dataset(dataset, target)


def _real(dataset: xr.Dataset) -> xr.Dataset:
    """Complex variables as two real ones."""
    for name in map(str, dataset.data_vars):
        variable = dataset[name]
        if variable.dtype.kind == "c":
            parts = {f"{name}_real": variable.real, f"{name}_imag": variable.imag}
            dataset = dataset.drop_vars(name).assign({k: v.assign_attrs(variable.attrs) for k, v in parts.items()})
    return dataset
