"""Global-memory traffic of each kernel: what its threads asked for beside what the operation has to read and write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from deep_check.ops import conv2d_tiles
from deep_check.ops.kernel_families import RESIDUALS
from tests.deep_check.cuda.device import Launch


class Bytes(NamedTuple):
    """Of one launch. minimum: every array that the operation is about, read or written once; moved: what was asked for.

    parameters: weights, biases and statistics, which every block reads again, from the second-level cache. scratch:
    partial sums that the next launch joins, written or read, in that cache, too.
    """

    minimum: float
    moved: int
    parameters: int
    scratch: int

    @property
    def ratio(self) -> float:
        """Moved over minimum."""
        return self.moved / self.minimum


TABLE: dict[str, Bytes] = {}  # kernel and shapes -> of its launch with the largest ratio, shown after the run

READ, WRITE, PARAMETER, SCRATCH = "read", "write", "parameter", "scratch"


class Role(NamedTuple):
    """What an argument is to a kernel; share: of the array that it needs."""

    place: int
    kind: str
    share: float = 1.0


def _roles(places: str) -> tuple[Role, ...]:
    """One letter an argument: r read, w write, u both, p parameter, s scratch, a dot for anything else."""
    kinds = {"r": (READ,), "w": (WRITE,), "u": (READ, WRITE), "p": (PARAMETER,), "s": (SCRATCH,)}
    return tuple(Role(i, kind) for i, letter in enumerate(places) for kind in kinds.get(letter, ()))


ROLES = {
    "conv2d_pack_weights": _roles("rw"),
    "conv2d_weight_gradient": _roles("rrs"),
    "conv2d_sum_parts": _roles("rw"),
    "batch_norm_statistics": _roles("r....s"),
    "batch_norm_evaluation": _roles("rpppp....w"),
    "batch_norm_gradient_sums": _roles("rrp....s"),
    "batch_norm_gradient": _roles("rrppp.s....wpp"),
    "gather": _roles("rr.w"),
    "relu": _roles("rw"),
    "relu_gradient": _roles("rrw"),
    "pack_signs": _roles("r..w"),
    "shortcut": (Role(0, READ, 1 / 4), Role(5, WRITE)),
    "shortcut_gradient": (Role(0, READ, 1 / 2), Role(5, WRITE)),
    "global_average_pool": _roles("r..w"),
    "loss": _roles("rr....ww"),
    "mean_of": _roles("r.w"),
    "adam_step": _roles("uruup"),
    "sgd_step": _roles("urup"),
    "augment": _roles("rpp.....w"),
    "sign_step": _roles("rr.w"),
    "project_linf": _roles("rr.w"),
    "clip_box": _roles("r..w"),
    "clip_box_gradient": _roles("rr..w"),
    "pgd_linf_step": _roles("rrr..w"),
    "spectral_mask": _roles("up"),
}  # fmt: skip


def roles_of(kernel: str, a: Sequence[Any]) -> tuple[Role, ...]:
    """Of the arguments in use: what is optional is there or not, in the residual's kind or under a flag."""
    base = kernel.split("<")[0]
    if base in ROLES:
        return ROLES[base]
    if base in ("conv2d", "conv2d_mma"):
        optional = [Role(11, PARAMETER)] * bool(a[10]) + [Role(13, PARAMETER)] * bool(a[12])
        return (*_roles("rpw"), *optional, *_epilogue(a, mode=9, kind=14, residual=17, bits=18))
    if base in ("conv2d_stride_2_gradient", "conv2d_stride_2_gradient_mma"):
        return (*_roles("rpw"), *_epilogue(a, mode=9, kind=10, residual=13, bits=14))
    if base == "batch_norm_normalise":
        residual = {"NO_RESIDUAL": 0.0, "IDENTITY": 1.0, "SUBSAMPLED": 1 / 4}[RESIDUALS[int(kernel.split(", ")[1])]]
        optional = [Role(10, READ, residual)] * (residual > 0) + [Role(20, WRITE)] * bool(a[19])
        return (*_roles("rpp.s........pppp.w"), *optional)
    if base == "multiply":
        return (*_roles("r..r.......w"), *[Role(10, PARAMETER)] * bool(a[9]), *[Role(13, WRITE)] * bool(a[12]))
    if base == "global_average_pool_gradient":
        return (*_roles("p.....w"), *[Role(5, READ)] * bool(a[4]))
    step, project = ("true" in part for part in kernel.split("<")[1].split(", ")[:2])
    assert base == "l2_move", kernel
    return (Role(0, READ), Role(6, WRITE), *[Role(1, READ)] * project, *[Role(2, READ)] * step)


def _epilogue(a: Sequence[Any], mode: int, kind: int, residual: int, bits: int) -> Iterator[Role]:
    share = {"none": 0.0, "same": 1.0, "larger": 1 / 4, "smaller": 1 / 2}[conv2d_tiles.RESIDUALS[a[kind]]]
    if share:
        yield Role(residual, READ, share)
    if conv2d_tiles.MODES[a[mode]] != "raw":
        yield Role(bits, WRITE if conv2d_tiles.MODES[a[mode]] == "forward" else READ)


def traffic_of(launch: Launch) -> Bytes:
    """Of a launch in check mode. Raises AssertionError where an array that the kernel has no use for was touched."""
    roles = roles_of(launch.kernel, launch.arguments)
    minimum, sums = 0.0, {READ: 0, PARAMETER: 0, SCRATCH: 0}
    for place, (loaded, stored) in launch.traffic.items():
        array = launch.arguments[place]
        own = [role for role in roles if _same(launch.arguments[role.place], array)]
        if loaded + stored:
            assert own, f"{launch.kernel}: argument {place} is none of those that it needs"
            kind = own[0].kind if own[0].kind in sums else READ
            sums[kind] += loaded + stored
        minimum += sum(role.share * array.nbytes for role in own if role.kind in (READ, WRITE))
    return Bytes(minimum, sums[READ], sums[PARAMETER], sums[SCRATCH])


def _same(a: Any, b: Any) -> bool:
    return bool((a.ctypes.data, a.nbytes) == (b.ctypes.data, b.nbytes))


def record(launches: Sequence[Launch]) -> None:
    """Put launches into the table."""
    for launch in launches:
        place = {role.kind: role.place for role in reversed(roles_of(launch.kernel, launch.arguments))}
        places = (0, place.get(WRITE, place.get(SCRATCH, 0)))
        shapes = " -> ".join("x".join(map(str, launch.arguments[place].shape)) for place in places)
        key, found = f"{launch.kernel}  {shapes}", traffic_of(launch)
        if key not in TABLE or TABLE[key].ratio < found.ratio:
            TABLE[key] = found
