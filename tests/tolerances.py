"""Every tolerance of the test suite: relative to the largest expected element unless the test passes a scale."""

from __future__ import annotations

from typing import NamedTuple


class Tolerance(NamedTuple):
    """The largest allowed |actual - expected| / scale, and why it is not smaller."""

    value: float
    reason: str


TOLERANCES = {
    "exact": Tolerance(0.0, "the same operations in the same order, or small integers"),
    "round_off": Tolerance(1e-14, "a few operations, or sums of well-scaled terms over some ten to a hundred elements"),
    "ulp": Tolerance(2.0, "in units in the last place: what the compiled exp and log1p promise"),
    "spectrum": Tolerance(1e-13, "an explicit O(d²) sum over up to 2^10 terms beside the FFT"),
    "engines": Tolerance(2e-12, "two orders of summation over <= 100 steps; the promise to users is 1e-10"),
    "single": Tolerance(1e-6, "float32 sums of 32 terms"),
    "engines_unstable": Tolerance(4.0, "in units of what one-ulp perturbations of the start do to the reference"),
    "promise": Tolerance(1e-10, "what users are promised of every engine; the low-rank check takes a tenth of it"),
    "long_run": Tolerance(1e-10, "10^6 roundings that add up in the stepping engine, none in the closed form"),
    "identity": Tolerance(3e-12, "exact laws evaluated through differences of energies or of whole runs"),
    "first_difference": Tolerance(1e-8, "central differences in float64: h² truncation against round-off / h"),
    "quadrature": Tolerance(2e-11, "SciPy's quad asked for 1e-12"),
    "order": Tolerance(0.1, "slope of log error against log step"),
    "projection": Tolerance(1e-8, "SciPy's constrained minimiser, not the projection, sets this"),
    "folding": Tolerance(3e-7, "weights and bias rounded to float32, beside float64; sums of up to 576 terms"),
    "reference": Tolerance(1e-12, "float64 sums of up to some thousand terms in another order"),
    "batch_norm_difference": Tolerance(1e-7, "central differences in float64 where second derivatives are large"),
    "float32_sum": Tolerance(2e-6, "float32 sums of up to 2^14 terms in lanes, beside float64"),
    "winograd": Tolerance(1e-5, "float32 through F(4x4, 3x3), whose transforms multiply by up to 8 and cancel"),
    "batch_norm_far": Tolerance(
        1e-3, "a mean of 10^3 deviations: the float32 input itself has 3e-5 of a deviation left"
    ),
    "float32": Tolerance(3e-7, "a few float32 roundings, beside float64"),
    "float32_steps": Tolerance(3e-6, "ten float32 optimizer steps, each of a few roundings, beside float64"),
    "float32_fft": Tolerance(2e-6, "float32 transforms of up to 2^10 samples, there and back, beside float64"),
    "kernel_elementwise": Tolerance(4e-7, "a few float32 roundings, beside float64"),
    "kernel_sums": Tolerance(2e-6, "float32 sums of up to a few thousand terms in parts, beside float64"),
    "network_difference": Tolerance(
        1e-6, "central differences of a whole network, ReLU kinks within the step included"
    ),
    "float32_kinks": Tolerance(
        1e-2, "of 10^6 ReLU inputs float32 rounds one or two to the other side of 0: a pixel's whole gradient each"
    ),
    "input_gradient": Tolerance(5e-6, "promised of float32, image by image: the median of their relative errors"),
    "network_cuda": Tolerance(5e-6, "float32 kernels through a whole network, beside float64"),
    "network_cuda_gradient": Tolerance(
        1e-5, "float32 kernels forward and back, beside float64, each parameter by itself"
    ),
    "network_tf32": Tolerance(2e-3, "convolutions' factors rounded to 11 significant bits, through a whole network"),
    "network_bf16": Tolerance(1e-2, "convolutions' factors rounded to 8 significant bits, through a whole network"),
    "network_tf32_gradient": Tolerance(
        0.2, "in norm: some 10^-3 of the ReLUs decide otherwise, the gradient moves by the root of their share"
    ),
    "network_bf16_gradient": Tolerance(0.4, "in norm, as with TF32: some 10^-2 of the ReLUs decide otherwise"),
    "network_cuda_steps": Tolerance(5e-4, "change of float32 parameters by two steps: it is a thousandth of them"),
    "sign_flips": Tolerance(1e-3, "share of pixels whose gradient is near 0: rounding decides its sign"),
    "convolution": Tolerance(
        4e-6, "float32 sums of up to 600 terms one after another: half an ulp each, in chance directions"
    ),
    "convolution_tensor_core_sums": Tolerance(2e-5, "float32 sums, which tensor cores truncate instead of rounding"),
    "convolution_tf32": Tolerance(
        8e-4, "both factors rounded to 11 significant bits, 2^-12 each; sums of chance signs"
    ),
    "convolution_bf16": Tolerance(6e-3, "both factors rounded to 8 significant bits, 2^-9 each; sums of chance signs"),
    "float32_network": Tolerance(5e-6, "float32 through some ten layers, Winograd among them, beside float64"),
    "float32_gradient": Tolerance(2e-5, "float32 there and back; near a kink a ReLU may decide otherwise"),
    "real_logits": Tolerance(1e-3, "absolute, of a trained ResNet-32: what users are promised"),
    "real_gradient": Tolerance(5e-6, "of a trained ResNet-32, float32 beside float64, in the image's norm"),
    "real_gradient_kinks": Tolerance(2e-2, "the same where the signs of a few ReLUs of some 3·10^5 are rounding's"),
    "filter_difference": Tolerance(1e-4, "central differences of float32 images: round-off over the step"),
    "random_phase": Tolerance(1e-10, "quad asked for 1e-12, with a logarithm's singularity near the end at ρ = 1"),
    "captured_losses": Tolerance(
        5e-4, "losses of attacked images, CPU beside GPU: of some pixels rounding decided the last sign step"
    ),
    "random_phases_real": Tolerance(
        0.03, "phases of real perturbations are not quite random; 0.4 % measured on 64 images"
    ),
    "steps_cuda": Tolerance(5e-5, "two float32 training steps, CPU beside GPU, in norm, where no ReLU's sign turns"),
    "two_layer_difference": Tolerance(2e-6, "float32 sums of 3072 terms, beside differences of float64 losses"),
    "two_layer_gradient": Tolerance(3e-6, "float32 sums of 3072 terms there and back, beside float64"),
    "derived_law": Tolerance(1e-11, "a derived expression beside the code of the same law, sums over up to 17 bins"),
    "drawn_variance": Tolerance(0.02, "of 10^5 normals, five standard deviations"),
    "drawn_variance_few": Tolerance(0.32, "of 500 normals, five standard deviations"),
    "explorer": Tolerance(1e-9, "sums of 51 terms in JavaScript beside NumPy; what users are promised"),
}
