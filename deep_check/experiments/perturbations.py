"""The perturbations that Figs. 1, 3-5, 7-10, 12 and 13 look at: attacked once, kept in the folder of results.

Every δ is what all steps of the attack lead to: no early stop, one start. Images are `context.random_images`, so that
those of a smaller number are the first of a larger one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from deep_check.attacks import BATCH, L2_BESIDE, Attack, into_ball, run_attack
from deep_check.data import digest
from deep_check.experiments.context import Context
from deep_check.experiments.kept_arrays import read_arrays, write_arrays
from deep_check.experiments.manifest import code_of
from deep_check.filtering import Target
from deep_check.random_balls import CONTROLS, random_deltas
from deep_check.resnet import ResNet
from deep_check.two_layer.network import TwoLayer, initial_weights
from theory_sim.errors import require
from theory_sim.spectrum import Mask

Array = NDArray[np.float32]
FOLDER = "perturbations"
UPDATES, UPDATE_IMAGES = 50, 64  # of the untrained network's batch statistics: 0.9^50 of their start is left
LARGEST_CUTOFF = {"disc": 22, "square": 15}  # of 32x32, by mask: some frequency is above it
NAMED = ("norm", "radius", "step_size", "start")  # of an attack, in the texts of what is tested
_twins: WeakKeyDictionary[Target, dict[tuple[int, str], Target]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Settings:
    """What is measured, and the choices that the paper leaves open.

    n: random test images. attack: the figure's own, by default the paper's; other: the same with another norm, shown
    beside. cutoff, mask: of "low" frequencies. effects: whether other choices are measured beside.
    """

    n: int = 1000
    attack: Attack = field(default_factory=Attack)
    other: Attack = L2_BESIDE
    cutoff: float = 8.0
    mask: Mask = "disc"
    effects: bool = True

    def __post_init__(self) -> None:
        require(self.n >= 2, f"images {self.n}: allowed is >= 2, an interval needs them")
        require(self.mask in LARGEST_CUTOFF, f"mask {self.mask!r}: allowed are {', '.join(LARGEST_CUTOFF)}")
        largest = LARGEST_CUTOFF[self.mask]
        require(
            0 <= self.cutoff <= largest,
            f"cut-off {self.cutoff:g}: allowed is 0 ... {largest} with mask {self.mask}, beyond it nothing is high",
        )
        for attack in (self.attack, self.other):
            one = attack.restarts == 1 and not attack.early_stop
            require(attack.radius > 0, f"radius {attack.radius:g}: allowed is > 0, no perturbation has no spectrum")
            require(one, "restarts, early stop: allowed is one start and every step, spectra are of what they lead to")

    def other_cutoffs(self, cutoffs: Iterable[float], mask: Mask | None = None) -> list[float]:
        """Those that have something above them, with this mask or another, and are not the figure's own."""
        known = mask or self.mask
        own = self.cutoff if known == self.mask else None
        return [cutoff for cutoff in cutoffs if cutoff <= LARGEST_CUTOFF[known] and cutoff != own]

    @classmethod
    def of(cls, context: Context, loss: str = "cross_entropy") -> Settings:
        """The paper's numbers, 1,000 images and 40 steps, or at scale quick 256 and 20; the attacker's loss."""
        common: dict[str, Any] = {"steps": context.pick(20, 40), "loss": loss, "seed": context.seed}
        return cls(context.pick(256, 1000), Attack(**common), replace(L2_BESIDE, **common))

    def said_of(self, tested: str, loss: str) -> str:
        """What was tested, true of these settings: a figure's text names the paper's, and effects that may be left out.

        loss: that the text names, or the paper's.
        """
        named, attack = Settings(), self.attack
        same = all(getattr(attack, name) == getattr(named.attack, name) for name in NAMED) and attack.loss == loss
        if not same or (self.cutoff, self.mask) != (named.cutoff, named.mask):
            tested = f"With the parameters of this row in place of those named: {tested}"
        return tested if self.effects else f"{tested} Without what other choices give."

    def as_parameters(self, n: int) -> dict[str, Any]:
        """For the row of the ledger; n: images that there were."""
        return {
            "attack": asdict(self.attack), "attack beside": asdict(self.other), "images": f"{n} random test images",
            "cut-off of low frequencies (paper: not said)": self.cutoff, "mask (paper: not said)": self.mask,
            "norm of the attack (paper: not said)": self.attack.norm, "start (paper: not said)": self.attack.start,
            "channels": "transformed one by one, then averaged (paper: not said)",
        }  # fmt: skip


@dataclass(frozen=True)
class Perturbed:
    """images and adversarial (n, c, h, w) float32 in [0, 1]; labels, and classes seen before and after, (n,)."""

    images: Array
    labels: NDArray[np.int64]
    adversarial: Array
    before: NDArray[np.int64]
    after: NDArray[np.int64]

    @property
    def deltas(self) -> NDArray[np.float64]:
        """δ = adversarial - images, exact."""
        return self.adversarial.astype(float) - self.images

    @property
    def first_fooled(self) -> int:
        """Number of the first image that was classified correctly and no longer is; of the first one if there is none.

        This is how the pictures of one image choose theirs.
        """
        return int(np.argmax((self.before == self.labels) & (self.after != self.labels)))


def perturbed(context: Context, role: str, attack: Attack, n: int, *, untrained: bool = False) -> Perturbed:
    """The first n random images attacked on the network of this role, or on an untrained one of its architecture.

    Kept under out/perturbations by what decides them, and read from there when they are asked for again; those of other
    code or another device are replaced. Raises
    InputError as `Context.net`, and if the disk refuses.
    """
    images, labels = context.random_images(n)
    name = f"{'untrained ' if untrained else ''}{role}"
    identity: dict[str, Any] = {
        "network": name, "weights": context.weights_facts([role])[role]["digest"], "attack": asdict(attack),
        "images": digest({"images": images, "labels": labels}), "seed": context.seed,
    }  # fmt: skip
    word = f"{name.replace(' ', '-')}-{attack.norm}-{digest({'': np.array(json.dumps(identity, sort_keys=True))})[:8]}"
    path = context.path(f"{FOLDER}/{word}.npz")
    identity |= {"device": context.device, "code": code_of("experiments.perturbations")}
    found_there, kept = read_arrays(path, ("adversarial", "before", "after")) or ({}, {})
    if found_there != json.loads(json.dumps(identity)) or kept["adversarial"].shape != images.shape:
        net = _twin(context, role, images, labels) if untrained else context.net(role)
        found = run_attack(net, images, labels, attack, context.report(f"gradients, {name}, {attack.norm}"))
        kept = {"adversarial": found.images, "before": classes(net, images), "after": classes(net, found.images)}
        write_arrays(path, identity, kept)
    return Perturbed(images, labels, **kept)


def _twin(context: Context, role: str, images: Array, labels: NDArray[Any]) -> Target:
    """`untrained_twin`, made once for all attacks: its batch statistics take as long as an attack."""
    net = context.net(role)
    known = _twins.setdefault(net, {})
    key = (context.seed, digest({"images": images}))
    if key not in known:
        known[key] = untrained_twin(net, images, labels, context.seed)
    return known[key]


def noise(images: Array, attack: Attack) -> Array:
    """Images with noise of the attack's norm and radius in place of δ, clipped to [0, 1]: random signs, or directions.

    What any concentration of δ is held against: white, but for what the clipping does.
    """
    numbers = np.arange(len(images))
    deltas = random_deltas(attack.norm, attack.radius, images.shape[1:], numbers, attack.seed, CONTROLS)
    if attack.norm == "linf":
        deltas = np.float32(attack.radius) * np.sign(deltas)
    return into_ball(images + deltas, images, attack.norm, attack.radius)


def untrained_twin(net: ResNet | TwoLayer, images: Array, labels: NDArray[Any], seed: int) -> ResNet | TwoLayer:
    """A network of the same architecture with random weights; a ResNet's batch statistics are those of the images.

    Without them activations grow by every block, and a saturated loss has no gradient.
    """
    if isinstance(net, TwoLayer):
        n_classes, width = net.outer.shape
        return TwoLayer(*initial_weights(width, seed, n_classes), net.reading)
    twin = ResNet(net.architecture.depth, net.device, net.architecture.n_classes, net.mean, net.std, seed)
    for i in range(UPDATES):
        own = np.arange(i * UPDATE_IMAGES, (i + 1) * UPDATE_IMAGES) % len(images)
        twin.loss_and_gradients(images[own], labels[own], update_statistics=True)
    return twin


def classes(net: Target, images: Array) -> NDArray[np.int64]:
    """The class that the network sees in each image, (n,)."""
    parts = [net(images[i : i + BATCH]).argmax(axis=1) for i in range(0, len(images), BATCH)]
    return np.concatenate(parts).astype(np.int64)
