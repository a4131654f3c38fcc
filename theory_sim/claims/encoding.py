"""Sampled objects as plain JSON and back, whole and to the last bit, and the numbers a replay compares."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory_sim.claims.adversarial_sample import AdversarialSample
from theory_sim.claims.dataset_sample import DatasetSample
from theory_sim.claims.samples import AttackSample, Eq8Sample, SignalSample, SpectralPath, TrainingSample
from theory_sim.descent import DatasetTraining
from theory_sim.errors import InputError
from theory_sim.network import Activation, Network
from theory_sim.spectrum import Band, ratio
from theory_sim.training import Training

Sample = TrainingSample | DatasetSample | Eq8Sample | AttackSample | SignalSample
KINDS: dict[str, type] = {
    "adversarial": AdversarialSample,  # also a TrainingSample: first
    "training": TrainingSample,
    "dataset": DatasetSample,
    "eq8": Eq8Sample,
    "attack": AttackSample,
    "signal": SignalSample,
}


def kind_of(sample: Sample) -> str:
    """The sample's name in a file."""
    return next(name for name, cls in KINDS.items() if isinstance(sample, cls))


def encode(sample: Sample) -> dict[str, Any]:
    """Every number that defines the sample; floats keep all their bits (JSON prints the shortest that does)."""
    fields: dict[str, Any] = {"kind": kind_of(sample), "source": sample.source, "band": _encode_band(sample.band)}
    if isinstance(sample, TrainingSample):
        t = sample.training
        fields |= {"network": _encode_network(t.network), "x": t.x.tolist(), "label": t.label, "loss": t.loss}
        fields |= {"learning_rate": t.learning_rate, "n_steps": t.n_steps}
        if isinstance(sample, AdversarialSample):
            fields["radius"] = sample.radius
    elif isinstance(sample, DatasetSample):
        d = sample.training
        fields |= {"network": _encode_network(d.network), "x": d.inputs[0].tolist(), "others": d.inputs[1:].tolist()}
        fields |= {"labels": d.labels.tolist(), "loss": d.loss, "learning_rate": d.learning_rate, "n_steps": d.n_steps}
    elif isinstance(sample, Eq8Sample):
        fields |= {name: getattr(sample, name).tolist() for name in ("start_gradient", "x", "drives", "decays")}
        fields["width"] = sample.width
    elif isinstance(sample, AttackSample):
        fields |= {"network": _encode_network(sample.network), "x": sample.x.tolist(), "start": sample.start.tolist()}
        fields |= {k: getattr(sample, k) for k in ("label", "radius", "step_size", "n_steps", "step", "ball")}
    else:
        fields |= {"x": sample.x.tolist(), "delta": sample.delta.tolist(), "width": sample.width}
        fields |= {k: None if np.isnan(v := getattr(sample, k)) else v for k in ("alpha", "alpha0")}
    return fields


def decode(fields: dict[str, Any]) -> Sample:
    """Inverse of `encode`; training runs use the `reference` engine. InputError on anything missing or misshapen."""
    try:
        kind, source, band = fields["kind"], str(fields["source"]), _decode_band(fields["band"])
        if kind in ("training", "adversarial"):
            training = Training(
                _decode_network(fields["network"]),
                _array(fields["x"]),
                float(fields["label"]),
                float(fields["learning_rate"]),
                int(fields["n_steps"]),
                str(fields["loss"]),
            )
            sample: Sample = TrainingSample(training, band, source, "reference")
            if kind == "adversarial":
                sample = AdversarialSample(training, band, source, "reference", float(fields["radius"]))
        elif kind == "dataset":
            inputs = np.array([_array(fields["x"]), *(_array(x) for x in fields["others"])])
            sample = DatasetSample(
                DatasetTraining(
                    _decode_network(fields["network"]),
                    inputs,
                    _array(fields["labels"]),
                    float(fields["learning_rate"]),
                    int(fields["n_steps"]),
                    inputs[:1],
                    str(fields["loss"]),
                ),
                band,
                source,
                "reference",
            )
        elif kind == "eq8":
            g, x, drives, decays = (_array(fields[name]) for name in ("start_gradient", "x", "drives", "decays"))
            sample = Eq8Sample(g, x, drives, decays, band, source, int(fields["width"]))
        elif kind == "attack":
            sample = AttackSample(
                network=_decode_network(fields["network"]),
                x=_array(fields["x"]),
                label=float(fields["label"]),
                radius=float(fields["radius"]),
                step_size=float(fields["step_size"]),
                n_steps=int(fields["n_steps"]),
                step=str(fields["step"]),
                ball=str(fields["ball"]),
                start=_array(fields["start"]),
                band=band,
                source=source,
            )
        elif kind == "signal":
            laws = (float("nan") if fields[k] is None else float(fields[k]) for k in ("alpha", "alpha0"))
            sample = SignalSample(
                _array(fields["x"]), _array(fields["delta"]), band, source, int(fields["width"]), *laws
            )
        else:
            raise InputError(f"sample kind {kind!r}: allowed are {', '.join(KINDS)}")
    except (KeyError, TypeError, ValueError, IndexError) as error:
        if isinstance(error, InputError):
            raise
        what = f"missing key {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"this is not a whole counterexample: {what}") from None
    x = input_of(sample)
    if x.shape != (band.dim,):
        raise InputError(f"input of shape {x.shape} does not fit the band's shape {band.shape}")
    return sample


def input_of(sample: Sample) -> NDArray[np.float64]:
    """x, (d,); of a data set x_1."""
    if isinstance(sample, DatasetSample):
        return sample.training.inputs[0]
    return sample.training.x if isinstance(sample, TrainingSample) else sample.x


def with_reference(sample: Sample) -> Sample:
    """The same sample, training runs by the engine that updates W itself."""
    if isinstance(sample, TrainingSample | DatasetSample):
        return replace(sample, engine="reference")
    return replace(sample)


def numbers(sample: Sample) -> dict[str, list[float | None]]:
    """The quantities a claim looks at, recomputed from the sample alone: name -> values along the run, None for NaN."""
    out: dict[str, NDArray]
    if isinstance(sample, SpectralPath):
        p = sample.planes
        out = {
            "tau": ratio(np.asarray(p.low_energy), np.asarray(p.high_energy)),
            "low_energy": np.asarray(p.low_energy),
            "high_energy": np.asarray(p.high_energy),
            "low_cross": np.asarray(p.low_cross),
            "high_cross": np.asarray(p.high_cross),
            "drive": sample.drive,
            "input_tau": np.atleast_1d(sample.start.input_tau),
        }
    elif isinstance(sample, AttackSample):
        p = sample.planes
        out = {
            "gain": sample.path.gain,
            "tau": ratio(np.asarray(p.low_energy), np.asarray(p.high_energy)),
            "low_energy": np.asarray(p.low_energy),
            "high_energy": np.asarray(p.high_energy),
            "low_cross": np.asarray(p.low_cross),
            "high_cross": np.asarray(p.high_cross),
            "gradient_tau": np.atleast_1d(p.input_tau),
        }
    else:
        x_hat, d_hat = sample.band.transform(sample.x), sample.band.transform(sample.delta)
        out = {
            "input_spectrum": np.abs(x_hat),
            "perturbation_spectrum": np.abs(d_hat),
            "input_tau": np.atleast_1d(ratio(*sample.band.energies(x_hat))),
        }
    return {name: [float(v) if np.isfinite(v) else None for v in np.atleast_1d(values)] for name, values in out.items()}


def _array(values: Any) -> NDArray[np.float64]:
    array = np.array(values, dtype=float)
    if not np.isfinite(array).all():
        raise InputError("the file holds NaN or infinity: allowed are finite numbers")
    return array


def _encode_band(band: Band) -> dict[str, Any]:
    return {
        "shape": list(band.shape),
        "cutoff": float(band.cutoff),
        "convention": band.convention,
        "mask": band.mask,
        "kind": band.kind,
    }


def _decode_band(fields: dict[str, Any]) -> Band:
    shape = tuple(int(n) for n in fields["shape"])
    return Band(shape, float(fields["cutoff"]), fields["convention"], fields["mask"], fields["kind"])


def _encode_network(network: Network) -> dict[str, Any]:
    act = network.activation
    return {
        "weights": network.weights.tolist(),
        "outer": network.outer.tolist(),
        "activation": {"name": act.name, "sharpness": act.sharpness, "leak": act.leak},
    }


def _decode_network(fields: dict[str, Any]) -> Network:
    return Network(_array(fields["weights"]), _array(fields["outer"]), Activation(**fields["activation"]))
