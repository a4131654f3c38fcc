"""Fig. 1 drawn: image plus perturbation, the spectra below, the log-spectra below these."""

from __future__ import annotations

from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from deep_check.experiments.image_panels import show_delta, show_image, show_map
from deep_check.experiments.log_difference import Measurement
from deep_check.experiments.spectrum_axes_picture import UNIT, in_signs, name_axes, new_map_figure
from deep_check.spectra import log_spectra, spectra
from theory_sim.inputs.cifar10 import CLASSES
from theory_sim.picture_style import STYLE


def draw(measurement: Measurement, title: str) -> Figure:
    """Of the first image that is classified correctly and no longer is. The spectra of x and x + δ have one scale."""
    found, settings = measurement.found, measurement.settings
    i = found.first_fooled
    one = slice(i, i + 1)
    x, delta, sum_ = found.images[one], found.deltas[one], found.adversarial[one]
    middle = measurement.differences["attacked"].measured[i]
    with rc_context(STYLE):
        figure = new_map_figure(10.2, 8.5)
        panels = figure.subplots(3, 3)
        show_image(panels[0, 0], x[0])
        scale = show_delta(panels[0, 1], delta[0], settings.attack.radius)
        show_image(panels[0, 2], sum_[0])
        for panel, words in zip(
            panels[0],
            (f"x: the network says {CLASSES[found.before[i]]}", f"+ δ (full colours: ±{scale:.3g})",
             f"= x + δ: the network says {CLASSES[found.after[i]]}"),
            strict=True,
        ):  # fmt: skip
            panel.set_title(words)
        modulus = {"x": spectra(x)[0], "δ": spectra(delta)[0], "x+δ": spectra(sum_)[0]}
        top = float(sorted(modulus["x"].ravel())[-20])  # a few bins around zero frequency are far above all else
        for panel, (name, values) in zip(panels[1], modulus.items(), strict=True):
            limits: dict[str, Any] = {} if name == "δ" else {"vmin": 0.0, "vmax": top}
            show_map(
                figure, panel, values, f"|F({name})|", settings, extend="neither" if name == "δ" else "max", **limits
            )
            panel.set_title(f"spectrum |F({name})|")
        logarithms = (log_spectra(x)[0], log_spectra(sum_)[0])
        limits = {"vmin": min(map(float, map(_least, logarithms))), "vmax": max(float(v.max()) for v in logarithms)}
        show_map(figure, panels[2, 0], logarithms[0], "20·ln|F(x)|", settings, **limits)
        show_map(figure, panels[2, 1], middle, "20·|ln|F(x+δ)| − ln|F(x)||", settings)
        show_map(figure, panels[2, 2], logarithms[1], "20·ln|F(x+δ)|", settings, **limits)
        for panel, words in zip(panels[2], ("log-spectrum of x", "log-spectrum difference", "log-spectrum of x + δ"),
                                strict=True):  # fmt: skip
            panel.set_title(words)
        for i, panel in enumerate(panels[1:].flat):
            name_axes(panel, horizontal=i >= 3, vertical=i % 3 == 0)
        figure.suptitle(f"{in_signs(title)}; dashed: |k| = {settings.cutoff:g}\n{UNIT}", x=0.01, ha="left", fontsize=9)
    return figure


def _least(values: Any) -> Any:
    return values.min()
