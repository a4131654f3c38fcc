"""A run's Dataset as a file: a Zarr store or NetCDF."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from theory_sim.errors import InputError, require

if TYPE_CHECKING:
    import xarray as xr

DATA_SUFFIXES = (".zarr", ".nc")


def write_dataset(dataset: xr.Dataset, path: Path) -> None:
    """Write a Zarr store (format 2) or a NetCDF file (version 3, by SciPy) by the suffix of `path`.

    Zarr's format 3 has no specified type for text yet. Raises OSError if the disk refuses, InputError else.
    """
    if path.suffix == ".zarr":
        dataset.to_zarr(path, mode="w", zarr_format=2, consolidated=True)
    elif path.suffix == ".nc":
        dataset.to_netcdf(path, engine="scipy")
    else:
        raise InputError(f"{path}: allowed are files ending in {', '.join(DATA_SUFFIXES)}")


def read_dataset(path: Path) -> xr.Dataset:
    """A Dataset that `write_dataset` wrote, loaded into memory. InputError if there is none or it cannot be read."""
    import xarray as xr

    require(path.suffix in DATA_SUFFIXES, f"{path}: allowed are files ending in {', '.join(DATA_SUFFIXES)}")
    require(path.exists(), f"no such result: {path}")
    try:
        return xr.load_dataset(path, engine="zarr" if path.suffix == ".zarr" else "scipy")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"cannot read result {path}: {error}") from None
