"""Numbers that every line of a derivation must satisfy: explicit runs of `theory_sim.descent`, and attacks.

A world is a function of a small factor on its learning rate (or perturbation) and of the band convention; it returns
the numbers of one run by the SymPy names of `symbols`, and the range of every free index. ReLU runs have no kink
crossing. Nothing here comes from the recurrences or the closed form.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Eq, Rel

from theory_sim.attacks import fgm, loss_gradient, pgd
from theory_sim.derivations.derivation import Derivation, Line
from theory_sim.derivations.measured import Measured
from theory_sim.derivations.numbers import Environment, UnboundError, evaluate, free_indices, residue
from theory_sim.descent import Trajectory, run
from theory_sim.errors import require
from theory_sim.inputs import power_law_signal
from theory_sim.network import Activation, Network, sample_network
from theory_sim.spectrum import Band, log_spectrum, parse_convention
from theory_sim.training import Training

Array = NDArray[np.float64]
DIM, WIDTH, CUTOFF, STEPS = 17, 12, 3, 6
RADIUS = 0.1  # ε of FGM
ROUND_OFF = 1e-10
OCTAVES = 5
SLOPE_TOLERANCE = 0.15
Limits = dict[str, tuple[int, int]]
World = tuple[Environment, Limits]


def padded(values: NDArray) -> NDArray:
    """Units count from 1."""
    return np.concatenate([np.zeros_like(values[:1]), values])


def explicit_run(name: str, sign: float, scale: float, *, steps: int = STEPS) -> Trajectory:
    """A training run without crossing of a kink; sign: of f - y; scale: of its learning rate."""
    for seed in range(200):
        rng = np.random.default_rng([31, seed])
        x = power_law_signal(DIM, 1.0, 0.5, rng)
        x /= np.linalg.norm(x)
        outer_law = "gaussian" if name == "softplus" else "signs"
        network = sample_network(DIM, WIDTH, Activation(name, 2.0), rng, outer_law=outer_law)
        a2 = float(np.sum(network.active_outer(x) ** 2))
        residual = sign * 0.4 * float(np.linalg.norm(network.input_gradient(x)))
        training = Training(network, x, float(network.output(x)) - residual, scale * 0.3 / a2 if a2 else 1.0, steps)
        found = run(training, "reference")
        if a2 > 0 and not found.crossings[-1] and not found.diverged:
            return found
        if name == "softplus" and a2 > 0:
            return found
    raise AssertionError("no run without a crossing")


def spectral_numbers(g: NDArray, x: NDArray, drive: NDArray, decay: NDArray, band: Band) -> World:
    """All that is made of ĝ^(t) and x̂: g (n+1, d), drive and decay (n+1,), of which the last is not yet used."""
    n = len(g) - 1
    gh, xh = band.transform(g), band.transform(x)
    power, cross = np.abs(gh) ** 2, (gh * np.conj(xh)).real
    low, high = band.energies(gh)
    cross_low, cross_high = band.crosses(gh, xh)
    cl, ch = -2 * cross_low, -2 * cross_high
    lx, hx = map(float, band.energies(xh))
    product = np.concatenate([[1.0], np.cumprod(1 - decay[:-1])])
    accumulated = np.zeros(n + 1)
    for step in range(n):
        accumulated[step + 1] = (1 - decay[step]) * accumulated[step] + drive[step]
    tau, gaps = low / (low + high), cl - ch
    q, p = (
        accumulated / product,
        (cl[0] * high[0] - ch[0] * low[0], lx * high[0] - hx * low[0], lx * ch[0] - hx * cl[0]),
    )
    ratio = gh / xh
    env: dict[str, Any] = {
        "d": band.dim, "kc": int(band.cutoff), "K": (band.dim - 1) // 2, "w": band.weights,
        "x": x, "g": g[0], "g1": g[1], "drive": drive[0], "decay": decay[0],
        "gh": gh[0], "gh1": gh[1], "xh": xh, "G": np.abs(gh[0]), "X": np.abs(xh), "phi": np.angle(gh[0]),
        "psi": np.angle(xh), "Dphi": np.angle(gh[0]) - np.angle(xh), "E": power[0], "E1": power[1], "inner": cross[0],
        "inner1": cross[1], "L": low[0], "H": high[0], "L1": low[1], "H1": high[1], "N1": low[1] + high[1],
        "Lx": lx, "Hx": hx, "cl": cl[0], "ch": ch[0], "cl1": cl[1], "ch1": ch[1], "gap": gaps[0], "gap1": gaps[1],
        "tl": tau[0], "th": 1 - tau[0], "tl1": tau[1], "rise": tau[1] - tau[0], "tx": lx / (lx + hx),
        "zeta": lx / (lx + hx) - tau[0], "margin": lx / (lx + hx) * (cl[0] + ch[0]) - cl[0],
        "drives": drive, "decays": decay, "P": product, "Q": accumulated, "ght": gh, "Lt": low, "Ht": high, "clt": cl,
        "cht": ch, "gapt": gaps, "taut": tau, "qt": q, "q": q[3], "q1": q[4], "tau_q": tau[3], "tau_q1": tau[4],
        "p0": p[0], "p1": p[1], "p2": p[2], "B": p[0] + p[1] * (q[3] + q[4]) + p[2] * q[3] * q[4],
        "R": np.abs(ratio[0]), "R2t": np.abs(ratio) ** 2, "lift": tau[4] - tau[3],
        "N_q": (low + high)[3] / product[3] ** 2, "N_q1": (low + high)[4] / product[4] ** 2,
        "below": lx / (lx + hx) * (low + high)[3] / product[3] ** 2 - low[3] / product[3] ** 2,
    }  # fmt: skip
    top = (band.dim - 1) // 2
    limits = {
        "mu": (0, band.dim - 1), "nu": (0, band.dim - 1), "k": (0, top), "kp": (0, top), "t": (0, n - 1),
        "i": (0, n - 1), "T": (0, n),
    }  # fmt: skip
    return env, limits


def training_world(trajectory: Trajectory, band: Band) -> World:
    """All numbers of a training run: its first step, and every step."""
    tr, n = trajectory.training, trajectory.last_finite_step
    net, x, eta = tr.network, tr.x, tr.learning_rate
    act, outer = net.activation, net.outer
    s, residual = trajectory.preactivation[: n + 1], trajectory.residual[: n + 1]
    drive, decay = trajectory.drive[: n + 1], trajectory.decay[: n + 1]
    spectral, limits = spectral_numbers(trajectory.input_gradient[: n + 1], x, drive, decay, band)
    shift = (s[0] - s[1]) / tr.input_norm2
    active, curved = outer * act.slope(s[0]), act.curvature(s[0])
    pull = outer**2 * act.slope(s[0]) * curved
    delta = band.transform(fgm(net, x, tr.label, RADIUS))
    delta_low, delta_high = band.energies(delta)
    env = dict(spectral) | {
        "m": net.width, "sigma": act.value, "slope": act.slope, "curvature": act.curvature,
        "W": padded(net.weights), "a": padded(outer), "s": padded(s[0]), "f": trajectory.output[0],
        "y": tr.label, "ell": residual[0], "loss": 0.5 * residual[0] ** 2, "eta": eta,
        "x2": tr.input_norm2, "a2": trajectory.active_norm2[0],
        "rate": padded(eta * outer * tr.input_norm2 * residual[0] * curved),
        "rho": eta * trajectory.active_norm2[0] * tr.input_norm2,
        "W1": padded(net.weights - np.outer(shift, x)), "s1": padded(s[1]), "f1": trajectory.output[1],
        "ell1": residual[1], "weight_slope": np.vstack([np.zeros_like(x), np.outer(active, x)]), "ellt": residual,
        "kernel": trajectory.active_norm2[0] * tr.input_norm2,
        "dkernel": 2 * (active @ active) * x + 2 * tr.input_norm2 * (pull @ net.weights),
        "epsilon": RADIUS, "norm_g": float(np.linalg.norm(trajectory.input_gradient[0])), "FGM": delta,
        "fgm_tau": delta_low / (delta_low + delta_high),
    }  # fmt: skip
    return env, limits | {"r": (1, net.width), "u": (1, net.width)}


@lru_cache(maxsize=64)
def _training(name: str, sign: float, scale: float, convention: str) -> World:
    band = Band((DIM,), CUTOFF, parse_convention(convention))
    return training_world(explicit_run(name, sign, scale), band)


def _world(name: str, sign: float) -> Callable[[float, str], World]:
    return lambda scale, convention: _training(name, sign, scale, convention)


@lru_cache(maxsize=64)
def _eq8(scale: float, convention: str) -> World:
    """Eq. 8 itself, step by step, with a decay that is not 0: from the gradient of a ReLU network."""
    start = explicit_run("relu", 1.0, 1.0)
    x, rng = start.training.x, np.random.default_rng(32)
    drive = scale * rng.uniform(0.5, 1.5, STEPS + 1) * 0.3 * float(np.linalg.norm(start.input_gradient[0]))
    decay = scale * rng.uniform(0.02, 0.2, STEPS + 1)
    g = [start.input_gradient[0]]
    for n in range(STEPS):
        g.append((1 - decay[n]) * g[-1] - drive[n] * x)
    return spectral_numbers(np.array(g), x, drive, decay, Band((DIM,), CUTOFF, parse_convention(convention)))


def _activation(scale: float, convention: str) -> World:
    """Softplus at some points."""
    z, act = np.linspace(-2.1, 1.9, 9), Activation("softplus", 2.0)
    slope, bend = act.slope(z), act.curvature(z)
    env = {
        "sharpness": 2.0, "z": z, "value_at": act.value(z), "slope_at": slope, "bend_at": bend,
        "share": np.exp(-2.0 * z), "room1": 1 - slope, "room2": 0.5 - bend,
    }  # fmt: skip
    return env, {}


@lru_cache(maxsize=64)
def _outer(scale: float, convention: str) -> World:
    """A ReLU step that trains the outer weights too."""
    start = explicit_run("relu", 1.0, 0.1 * scale)
    env, limits = _training("relu", 1.0, 0.1 * scale, convention)
    tr, net = start.training, start.training.network
    eta, residual = tr.learning_rate, start.residual[0]
    outer = net.outer - eta * residual * net.activation.value(start.preactivation[0])
    weights = env["W1"][1:]
    g1 = (outer * net.activation.slope(weights @ tr.x)) @ weights
    return {**env, "outer1": padded(outer), "g1": g1}, limits


@lru_cache(maxsize=64)
def _attack(name: str, scale: float, convention: str) -> World:
    """A step of the attack from a random perturbation δ, in the linear region; `scale` shrinks δ."""
    band = Band((DIM,), CUTOFF, parse_convention(convention))
    tr = explicit_run(name, 1.0, 0.1).training
    net, x, rng = tr.network, tr.x, np.random.default_rng(35)
    direction = rng.standard_normal(DIM)
    delta = scale * 0.5 * direction * np.min(np.abs(net.preactivation(x)) / np.abs(net.weights @ direction))
    size = 0.01
    path = pgd(net, x, tr.label, radius=10.0, step_size=size, n_steps=1, start=delta)
    require(name != "relu" or not path.region_left[0], "the attack leaves the linear region")
    s, moved, g = net.preactivation(x), net.preactivation(x + delta), net.input_gradient(x)
    output, kappa, kappa1 = float(net.output(x)), delta / size, path.unprojected[0] / size
    kh, kh1, gh = band.transform(kappa), band.transform(kappa1), band.transform(g)
    (lk, hk), (lk1, hk1), (lg, hg) = (band.energies(v) for v in (kh, kh1, gh))
    crosses, crosses1 = (2 * np.array(band.crosses(v, gh)) for v in (kh, kh1))
    act, bend = net.activation, net.outer * net.activation.curvature(s)
    gain = output - tr.label + float(delta @ g)
    env = {
        "m": net.width, "d": DIM, "kc": CUTOFF, "K": (DIM - 1) // 2, "w": band.weights, "sigma": act.value,
        "slope": act.slope, "curvature": act.curvature, "W": padded(net.weights), "a": padded(net.outer), "x": x,
        "s": padded(s), "sd": padded(moved), "g": g, "f": output, "y": tr.label, "ell": output - tr.label,
        "fd": float(net.output(x + delta)), "delta": delta, "xi": size, "dg": float(delta @ g), "beta": gain,
        "grad1": loss_gradient(net, x + delta, tr.label), "kappa": kappa, "kappa1": kappa1,
        "curve_d": (bend * (net.weights @ delta)) @ net.weights, "kh": kh, "kh1": kh1, "gh": gh, "Ka": np.abs(kh),
        "G": np.abs(gh), "chi": np.angle(kh), "phi": np.angle(gh), "Dpk": np.angle(gh) - np.angle(kh),
        "E1": np.abs(kh1) ** 2, "Lk": lk, "Hk": hk, "Lk1": lk1, "Hk1": hk1, "Nk1": lk1 + hk1, "Lg": lg, "Hg": hg,
        "cl2": crosses[0], "ch2": crosses[1], "cl2n": crosses1[0], "ch2n": crosses1[1],
        "gap_k": crosses[0] - crosses[1], "gap_k1": crosses1[0] - crosses1[1],
        "tkl": lk / (lk + hk), "tkh": hk / (lk + hk), "rise_k": lk1 / (lk1 + hk1) - lk / (lk + hk),
    }  # fmt: skip
    top = (DIM - 1) // 2
    limits = {"r": (1, net.width), "mu": (0, DIM - 1), "nu": (0, DIM - 1), "k": (0, top), "kp": (0, top)}
    return env, limits


def _projection(scale: float, convention: str) -> World:
    """A step of the attack that is projected onto its ball."""
    tr = explicit_run("relu", 1.0, 0.1).training
    net, x, radius, size = tr.network, tr.x, 0.01, 0.05
    g, rng = net.input_gradient(x), np.random.default_rng(36)
    start = rng.standard_normal(DIM)
    start *= 0.9 * radius / np.linalg.norm(start)
    path = pgd(net, x, tr.label, radius=radius, step_size=size, n_steps=1, start=start)
    require(not path.region_left[-1], "the attack leaves the linear region")
    v, p, z, h = path.unprojected[0], path.delta[1], start, 0.37
    nearer = float(np.sum((v - p - h * (z - p)) ** 2) - np.sum((v - p) ** 2))
    env = {
        "nearer": nearer, "h": h, "away": float((v - p) @ (z - p)), "span": float(np.sum((z - p) ** 2)), "xi": size,
        "beta": path.gain[0], "along": float(g @ (p - start)), "step2": float(np.sum((p - start) ** 2)),
        "dbeta": path.gain[1] - path.gain[0],
    }  # fmt: skip
    return env, {}


def _power_law(scale: float, convention: str) -> World:
    from theory_sim.inputs.power_law import eq2_margin, power_law_amplitudes

    power = power_law_amplitudes(33, 1.5, 0.5) ** 2
    env = {
        "alpha": 1.5, "alpha0": 0.5, "kc": 4, "eq2_room": eq2_margin(33, 1.5, 0.5, 4), "tail": float(power[5:].sum()),
        "room1": float(1 / np.arange(2, 10**6) ** 2 @ np.ones(10**6 - 2)) + 1e-6, "zeta": lambda n: np.pi**2 / 6,
    }  # fmt: skip
    return env, {}


def _log_spectrum(scale: float, convention: str) -> World:
    """Spectra of x and x + δ, all bins at once."""
    rng = np.random.default_rng(37)
    band = Band((DIM,), CUTOFF)
    xh, dh = band.transform(rng.standard_normal(DIM)), 0.05 * scale * band.transform(rng.standard_normal(DIM))
    change = (log_spectrum(xh + dh) - log_spectrum(xh)) / 20
    env = {
        "ratio": np.abs(dh / xh), "angle": np.angle(dh / xh), "log_change": change, "log_size": np.abs(change),
        "spectrum_change": 20 * np.abs(change),
    }  # fmt: skip
    return env, {}


def _wide(scale: float, convention: str) -> World:
    """Means over one Gaussian unit by quadrature, and Stein's identity through them."""
    from theory_sim.derivations.infinite_width import DIM as WIDE_DIM
    from theory_sim.derivations.infinite_width import means

    variance, ss = 0.7, np.linspace(-1.5, 1.2, 7)
    x = np.random.default_rng(40).standard_normal(WIDE_DIM)
    x2 = float(x @ x)
    found, density = means(variance), np.exp(-(ss**2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    env = {
        **found, "ss": ss, "s_var": variance, "density": density,
        "mean_dp": -found["mean_dh"], "x": x, "x2": x2, "v_w": variance / x2, "mean_hw": x * found["mean_hs"] / x2,
    }  # fmt: skip
    return env, {"nu": (0, WIDE_DIM - 1)}


WORLDS: dict[str, Callable[[float, str], World]] = {
    "relu": _world("relu", 1.0),
    "relu f<y": _world("relu", -1.0),
    "softplus": _world("softplus", 1.0),
    "eq8": _eq8,
    "activation": _activation,
    "outer": _outer,
    "attack": lambda scale, convention: _attack("relu", scale, convention),
    "attack smooth": lambda scale, convention: _attack("softplus", scale, convention),
    "projection": _projection,
    "wide": _wide,
    "power law": _power_law,
    "log spectrum": _log_spectrum,
}


@dataclass(frozen=True)
class LineCheck:
    """How well numbers of a world satisfy a line.

    kind: `exact` (value is a relative error), `slope` (of a truncated line's error) or `relation` (by how much,
    relatively, an inequality holds).
    """

    line: int
    world: str
    value: float
    kind: str
    holds: bool


def conventions_of(sums: str) -> tuple[str, ...]:
    """Band conventions in which a derivation's lines must hold."""
    return ("two-sided", "one-sided") if sums == "weights" else (sums,)


def check_line(line: Line, sums: str) -> list[LineCheck]:
    """The line against all its worlds; nothing where they lack a quantity that it names."""
    out = []
    for name in line.worlds:
        for convention in conventions_of(sums):
            try:
                out.append(_check_in(line, name, convention))
            except UnboundError:
                break
    return out


def _check_in(line: Line, name: str, convention: str) -> LineCheck:
    world = WORLDS[name]
    expression = line.expression
    if not isinstance(expression, Eq):
        return _check_relation(line, name, convention)
    if line.order is None:
        error, size = residue(expression, *world(1.0, convention))
        return LineCheck(line.number, name, error / size if size else error, "exact", error <= ROUND_OFF * size)
    scales = 2.0 ** -np.arange(2, OCTAVES + 3)
    pairs = [residue(expression, *world(float(scale), convention)) for scale in scales]
    errors, size = np.array([e for e, _ in pairs]), max(s for _, s in pairs)
    if errors.max() <= ROUND_OFF * size:  # what was dropped vanishes here
        return LineCheck(line.number, name, float(errors.max() / size) if size else 0.0, "exact", True)
    found = float(np.polyfit(np.log(scales), np.log(np.maximum(errors, 1e-300)), 1)[0])
    return LineCheck(line.number, name, found, "slope", found >= line.order - SLOPE_TOLERANCE)


def _check_relation(line: Line, name: str, convention: str) -> LineCheck:
    """An inequality: how far on the right side of it (relative), over all values of its free indices."""
    relation: Any = line.expression
    if not isinstance(relation, Rel):
        raise UnboundError("not a relation")
    env, limits = WORLDS[name](1.0, convention)
    free = free_indices(relation)
    shapes = [[-1 if a == b else 1 for b in range(len(free))] for a in range(len(free))]
    ranges = {v: np.arange(limits[v.name][0], limits[v.name][1] + 1).reshape(shapes[n]) for n, v in enumerate(free)}
    left, right = (np.asarray(evaluate(e, env, ranges)) for e in (relation.lhs, relation.rhs))
    lead = left - right if relation.rel_op in (">", ">=") else right - left
    size = float(np.max(np.abs(left)) + np.max(np.abs(right)))
    worst = float(lead.min()) / (size or 1.0)
    return LineCheck(line.number, name, worst, "relation", worst > (-ROUND_OFF if "=" in relation.rel_op else 0.0))


def check_numbers(derivation: Derivation) -> tuple[list[LineCheck], list[Measured]]:
    """Every line of a derivation against the runs it speaks of, and its own comparisons."""
    lines = [result for line in derivation.lines for result in check_line(line, derivation.sums)]
    measured = [result for function in derivation.checks for result in function()]
    require(bool(lines or measured), f"derivation {derivation.id}: no number was compared")
    return lines, measured


__all__ = ["WORLDS", "LineCheck", "Measured", "Network", "check_line", "check_numbers", "training_world"]
