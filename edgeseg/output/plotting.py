"""Plots: imports matplotlib, which boards do not have, on first use."""

from typing import Any

from edgeseg.errors import EdgesegError, field_name


def require_matplotlib() -> Any:
    """Import matplotlib without a display and return it.

    Raises
    ------
    EdgesegError
        If it is not installed; the message names the extra.
    """
    try:
        import matplotlib.backends.backend_agg
        import matplotlib.figure
        import matplotlib.ticker
    except ModuleNotFoundError:
        raise EdgesegError(
            f"{field_name('plot')} needs matplotlib: pip install 'edgeseg[convert]'"
        ) from None
    return matplotlib
