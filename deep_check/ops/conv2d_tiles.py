"""How the CUDA convolutions are cut into blocks: one table, by stride, channels and width.

Every tile is right for every shape; the table says which is fast.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

PRECISIONS = ("float32", "tf32", "bf16")  # of the products; sums are float32
MODES = ("raw", "forward", "backward")  # what becomes of a sum: conv2d_epilogue.cuh
RESIDUALS = ("none", "same", "larger", "smaller")
VALUES = (
    *((f"EPILOGUE_{word.upper()}", code) for code, word in enumerate(MODES)),
    *((f"RESIDUAL_{word.upper()}", code) for code, word in enumerate(RESIDUALS)),
)
FLOAT = 4  # bytes


def ceil_div(a: int, b: int) -> int:
    """The smallest integer >= a / b."""
    return -(-a // b)


class _Sums:
    """What all blocks have in common that make `channels` sums of rows x columns pixels of some images."""

    channels: int
    rows: int
    columns: int
    images: int

    def grid(self, n: int, channels: int, height: int, width: int) -> tuple[int, int]:
        """Blocks for n arrays (channels, height, width) of sums."""
        tiles = ceil_div(height, self.rows) * ceil_div(width, self.columns)
        return ceil_div(n, self.images) * tiles, ceil_div(channels, self.channels)


class _Float(_Sums):
    """On the ordinary units."""

    chunk: int

    def staged(self, terms: int) -> int:
        """How many of `terms` channels are in shared memory at once."""
        return min(self.chunk, terms)

    def _shared(self, terms: int, plane: int) -> int:
        chunk = self.staged(terms)
        return FLOAT * min(2, ceil_div(terms, chunk)) * chunk * (self.images * plane + 9 * self.channels)


class _Words(_Sums):
    """On tensor cores."""

    precision: str

    def staged(self, terms: int) -> int:
        """How many channels are in shared memory at once: what one product of tiles sums."""
        return 16 if self.precision == "bf16" else 8

    def _shared(self, plane: int) -> int:
        """Eight words of each pixel and weight."""
        return FLOAT * 8 * (self.images * _apart(plane) + 9 * self.channels + 8)


def _apart(n: int) -> int:
    """As in conv2d_mma.cu."""
    return (n + 23) // 32 * 32 + 8


@dataclass(frozen=True)
class Tile(_Float):
    """A block of `conv2d`: `channels` sums of rows x columns output pixels of some images, as conv2d.cu says.

    chunk: input channels in shared memory at once, twice (one chunk is summed while the next one arrives).
    """

    stride: int
    channels: int
    per_thread: int
    rows: int
    columns: int
    images: int
    chunk: int

    @property
    def kernel(self) -> str:
        """Its name in C++."""
        sizes = (self.stride, self.channels, self.per_thread, self.rows, self.columns, self.images)
        return f"conv2d<{', '.join(map(str, sizes))}>"

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return self.images * self.rows * self.columns // 4 * self.channels // self.per_thread

    def shared(self, terms: int) -> int:
        """Bytes of shared memory where each sum has `terms` input channels."""
        seen = self.stride * self.columns
        pitch = seen + (8 if self.stride == 1 else 4) + (8 if seen == 8 else 0)
        return self._shared(terms, (self.stride * (self.rows - 1) + 3) * pitch)


@dataclass(frozen=True)
class GradientTile(_Float):
    """A block of `conv2d_stride_2_gradient`: `channels` of rows x columns pixels of the input, as conv2d.cu says."""

    channels: int
    per_thread: int
    rows: int
    columns: int
    chunk: int
    images: int = field(init=False, default=1)

    @property
    def kernel(self) -> str:
        """Its name in C++."""
        return f"conv2d_stride_2_gradient<{self.channels}, {self.per_thread}, {self.rows}, {self.columns}>"

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return self.rows // 2 * self.columns // 4 * self.channels // self.per_thread

    def shared(self, terms: int) -> int:
        """Bytes of shared memory where each sum has `terms` output channels."""
        return self._shared(terms, (self.rows // 2 + 1) * (self.columns // 2 + 4))


@dataclass(frozen=True)
class WeightTile:
    """A block of `conv2d_weight_gradient`, as conv2d_weights.cu says.

    most_parts: blocks that share the images, each with a sum of its own: enough to keep a device busy, few enough that
    the sums stay in its cache.
    """

    stride: int
    out_channels: int
    in_channels: int
    per_thread: int
    rows: int
    columns: int
    split: int
    most_parts: int

    @property
    def kernel(self) -> str:
        """Its name in C++."""
        channels = (self.out_channels, self.in_channels, self.per_thread)
        sizes = (self.stride, *channels, self.rows, self.columns, self.split)
        return f"conv2d_weight_gradient<{', '.join(map(str, sizes))}>"

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return self.in_channels * self.out_channels // self.per_thread * self.split

    @property
    def shared(self) -> int:
        """Bytes of shared memory."""
        pitch = self.stride * self.columns + (8 if self.stride == 1 else 4)
        plane = ceil_div((self.stride * (self.rows - 1) + 3) * pitch, 8) * 8 + 4
        stage = self.in_channels * plane + self.out_channels * self.rows * self.columns
        teams = 9 * self.per_thread * self.threads // self.split if self.split > 1 else 0
        return FLOAT * max(2 * stage, teams)

    def n_parts(self, n: int, height: int, width: int) -> int:
        """Parts of the sum over n images with output (height, width)."""
        return max(1, min(self.most_parts, n * ceil_div(height, self.rows) * ceil_div(width, self.columns)))

    def grid(self, n: int, out_channels: int, in_channels: int, height: int, width: int) -> tuple[int, int, int]:
        """Blocks for n images."""
        groups = ceil_div(out_channels, self.out_channels), ceil_div(in_channels, self.in_channels)
        return self.n_parts(n, height, width), *groups


@dataclass(frozen=True)
class MmaTile(_Words):
    """A block of `conv2d_mma`: as `Tile`, a warp makes 16·m_tiles channels of n_tiles times eight pixels."""

    stride: int
    channels: int
    m_tiles: int
    n_tiles: int
    rows: int
    columns: int
    images: int
    precision: str = "tf32"

    @property
    def kernel(self) -> str:
        """Its name in C++."""
        sizes = (self.stride, self.channels, self.m_tiles, self.n_tiles, self.rows, self.columns, self.images)
        return f"conv2d_mma<{_is_bf16(self.precision)}, {', '.join(map(str, sizes))}>"

    @property
    def threads(self) -> int:
        """Threads of a block."""
        tiles = self.images * self.rows * self.columns // 8 * self.channels // 16
        return tiles // (self.m_tiles * self.n_tiles) * 32

    def shared(self, terms: int) -> int:
        """Bytes of shared memory, whatever the terms."""
        pitch = self.stride * self.columns + (8 if self.stride == 1 else 4)
        return self._shared((self.stride * (self.rows - 1) + 3) * pitch)


@dataclass(frozen=True)
class MmaGradientTile(_Words):
    """A block of `conv2d_stride_2_gradient_mma`: as `GradientTile` and `MmaTile`."""

    channels: int
    m_tiles: int
    n_tiles: int
    rows: int
    columns: int
    precision: str = "tf32"
    images: int = field(init=False, default=1)

    @property
    def kernel(self) -> str:
        """Its name in C++."""
        sizes = (self.channels, self.m_tiles, self.n_tiles, self.rows, self.columns)
        return f"conv2d_stride_2_gradient_mma<{_is_bf16(self.precision)}, {', '.join(map(str, sizes))}>"

    @property
    def threads(self) -> int:
        """Threads of a block."""
        tiles = self.rows // 2 * self.columns // 16 * self.channels // 16
        return tiles // (self.m_tiles * self.n_tiles) * 32

    def shared(self, terms: int) -> int:
        """Bytes of shared memory, whatever the terms."""
        return self._shared((self.rows // 2 + 1) * (self.columns // 2 + 4))


def _is_bf16(precision: str) -> str:
    return "true" if precision == "bf16" else "false"


# Which tile, by the number of sums (output channels, of an input gradient input channels) and the width of the output:
# (most channels, most columns, tile). The first row that fits is taken, and the last one fits all.
LARGEST = 1 << 30
STRIDE_1 = (
    (4, LARGEST, Tile(1, 4, 4, 32, 32, 1, 4)),  # the input gradient of the stem
    (16, LARGEST, Tile(1, 16, 16, 16, 32, 1, 4)),  # the stem, stage 1
    (64, 8, Tile(1, 64, 8, 8, 8, 2, 4)),  # stage 3
    (LARGEST, LARGEST, Tile(1, 32, 16, 16, 16, 1, 4)),  # stage 2
)
STRIDE_2 = (
    (64, 8, Tile(2, 64, 8, 8, 8, 1, 4)),  # into stage 3
    (LARGEST, LARGEST, Tile(2, 32, 8, 16, 16, 1, 2)),  # into stage 2
)
STRIDE_2_GRADIENT = (
    (16, LARGEST, GradientTile(16, 8, 32, 32, 4)),  # out of stage 2
    (LARGEST, LARGEST, GradientTile(32, 8, 16, 16, 4)),  # out of stage 3
)
# By input channels and width of the output.
WEIGHTS_STRIDE_1 = (
    (4, LARGEST, WeightTile(1, 16, 4, 8, 16, 32, 16, 128)),  # the stem
    (16, LARGEST, WeightTile(1, 16, 16, 8, 8, 32, 4, 128)),  # stage 1
    (64, 8, WeightTile(1, 32, 64, 8, 8, 8, 1, 64)),  # stage 3
    (LARGEST, LARGEST, WeightTile(1, 32, 32, 8, 8, 16, 2, 128)),  # stage 2
)
WEIGHTS_STRIDE_2 = (
    (16, LARGEST, WeightTile(2, 32, 16, 4, 4, 16, 2, 128)),  # into stage 2
    (LARGEST, LARGEST, WeightTile(2, 64, 32, 4, 4, 8, 1, 128)),  # into stage 3
)
# On tensor cores, in both precisions.
MMA_STRIDE_1 = (
    (16, LARGEST, MmaTile(1, 16, 1, 8, 16, 32, 1)),  # the stem, stage 1
    (64, 8, MmaTile(1, 64, 2, 4, 8, 8, 2)),  # stage 3
    (LARGEST, LARGEST, MmaTile(1, 32, 2, 4, 16, 16, 1)),  # stage 2
)
MMA_STRIDE_2 = (
    (64, 8, MmaTile(2, 64, 2, 4, 8, 8, 1)),  # into stage 3
    (LARGEST, LARGEST, MmaTile(2, 32, 2, 4, 16, 16, 1)),  # into stage 2
)
MMA_STRIDE_2_GRADIENT = (
    (16, LARGEST, MmaGradientTile(16, 1, 4, 32, 32)),  # out of stage 2
    (LARGEST, LARGEST, MmaGradientTile(32, 1, 2, 16, 16)),  # out of stage 3
)


def tile_for(stride: int, channels: int, width: int) -> Tile:
    """The block of a forward convolution, or of the input gradient of stride 1, with an output of this width."""
    return next(
        tile for most, columns, tile in (STRIDE_1, STRIDE_2)[stride - 1] if channels <= most and width <= columns
    )


def gradient_tile_for(channels: int, width: int) -> GradientTile:
    """The block of the input gradient of stride 2, of an input with so many channels and columns."""
    return next(tile for most, columns, tile in STRIDE_2_GRADIENT if channels <= most and width <= columns)


def weight_tile_for(stride: int, in_channels: int, width: int) -> WeightTile:
    """The block of a weight gradient, by the input's channels and the output's width."""
    table = (WEIGHTS_STRIDE_1, WEIGHTS_STRIDE_2)[stride - 1]
    return next(tile for most, columns, tile in table if in_channels <= most and width <= columns)


def mma_tile_for(precision: str, stride: int, channels: int, width: int) -> MmaTile:
    """As `tile_for`, on tensor cores."""
    table = (MMA_STRIDE_1, MMA_STRIDE_2)[stride - 1]
    found = next(tile for most, columns, tile in table if channels <= most and width <= columns)
    return replace(found, precision=precision)


def mma_gradient_tile_for(precision: str, channels: int, width: int) -> MmaGradientTile:
    """As `gradient_tile_for`, on tensor cores."""
    found = next(tile for most, columns, tile in MMA_STRIDE_2_GRADIENT if channels <= most and width <= columns)
    return replace(found, precision=precision)


KERNELS = (
    "conv2d_pack_weights",
    "conv2d_sum_parts",
    *(tile.kernel for _, _, tile in (*STRIDE_1, *STRIDE_2)),
    *(tile.kernel for _, _, tile in STRIDE_2_GRADIENT),
    *(tile.kernel for _, _, tile in (*WEIGHTS_STRIDE_1, *WEIGHTS_STRIDE_2)),
)
MMA_KERNELS = tuple(
    replace(tile, precision=precision).kernel
    for precision in ("tf32", "bf16")
    for _, _, tile in (*MMA_STRIDE_1, *MMA_STRIDE_2, *MMA_STRIDE_2_GRADIENT)
)
