"""Pictures inside the page: matplotlib figures as SVG, and the pictures of a results.json as small data URIs."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from theory_sim.empirical import Finding
from theory_sim.picture_style import STYLE

WIDEST = 1000  # pixels
POINTS = 1.4  # pixels of a point in an SVG figure at full size
MOST_EMBEDDED = 3_000_000  # bytes of all embedded pictures together; those beyond it are named, not shown


def as_svg(figure: Figure, prefix: str) -> str:
    """The `<svg>` alone: no XML head and no metadata; `prefix` keeps the ids of several figures apart."""
    out = io.StringIO()
    with rc_context({**STYLE, "svg.hashsalt": prefix}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{prefix}-", text)
    head = re.search(r'<svg[^>]*viewBox="([^"]*)"[^>]*>', text)
    assert head is not None
    width = float(head[1].split()[2]) * POINTS
    return f'<svg class="figure" viewBox="{head[1]}" style="max-width: {width:.0f}px">' + text[head.end() :]


def extensions(networks: int, seed: int, tell: Callable[[str, int, int], None]) -> list[tuple[str, str, str, str]]:
    """(anchor, title, words, SVG): what more samples and wider networks do."""
    from theory_sim.claims.extensions_picture import measure_datasets, measure_kinks, plot_datasets, plot_kinks

    sets = measure_datasets(seed=seed, networks=networks, report=tell)
    kinks = measure_kinks(seed=seed, networks=2 * networks, report=tell)
    slopes = "; ".join(
        f"{line.name}: slope {line.slope[0]:.2f} [{line.slope[1]:.2f}, {line.slope[2]:.2f}]"
        for line in sets.first
        if line.slope is not None
    )
    words = f"Seed {seed}, {networks} networks each point, bars: 95 % intervals. First step: {slopes}."
    assert kinks.slope is not None
    more = (
        f"Seed {seed}, {kinks.n.min()} networks each point, bars: 95 % intervals; slope "
        f"{kinks.slope[0]:.2f} [{kinks.slope[1]:.2f}, {kinks.slope[2]:.2f}]."
    )
    return [
        ("extension-datasets", "Training on n samples", words, as_svg(plot_datasets(sets), "datasets")),
        ("extension-kinks", "ReLU kink crossings against width", more, as_svg(plot_kinks(kinks), "kinks")),
    ]


def embed(rows: Sequence[Finding], folder: Path) -> dict[str, str]:
    """Data URIs of the PNG files that the rows name, made small; a file that is missing or broken is left out."""
    from PIL import Image

    found: dict[str, str] = {}
    size = 0
    for name in dict.fromkeys(name for row in rows for name in row.pictures if name.endswith(".png")):
        try:
            with Image.open(folder / Path(name).name) as picture:
                small = picture.convert("RGB")
                small.thumbnail((WIDEST, 4 * WIDEST), Image.Resampling.LANCZOS)
                out = io.BytesIO()
                small.quantize(128).save(out, "PNG", optimize=True)
        except OSError:
            continue
        size += len(out.getvalue()) * 4 // 3
        if size > MOST_EMBEDDED:
            break
        found[name] = "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
    return found
