"""Whether CuPy can use a GPU here; nothing is imported until it is asked."""

from __future__ import annotations


def lacking_gpu() -> str:
    """Why no GPU can be used here, "" if one can."""
    try:
        import cupy

        return "" if cupy.cuda.runtime.getDeviceCount() else "there is no GPU"
    except ImportError:
        return "CuPy is not installed (pip install 'spectral-claims[cuda12]' or '[cuda13]')"
    except Exception as error:  # CuPy's own, by which it says that there is no driver or no device
        return " ".join(str(error).split())[:120]
