"""What theory predicts of training before any of it: the data-set form of its recurrence, the first tangent kernel.

To first order a step on the batch x_i moves the Jacobian by ∇ₓf_c(x) <- ∇ₓf_c(x) - (η/n) Σ_i Σ_c' e_ic' ∇ₓK_cc'(x, x_i)
and the sums before ψ by f_c(x) <- f_c(x) - (η/n) Σ_i Σ_c' e_ic' K_cc'(x, x_i), where
K_cc'(x, x_i) = (x·x_i) Σ_r A_cr A_c'r φ'(w_r·x) φ'(w_r·x_i) and e_ic' is the loss's slope by the sum c' of image i.
Here K is that of the weights before training, for good, and e comes from the predicted f. So the prediction uses the
weights of the start, the order of the batches, labels, η and the loss; nothing of the trained network, neither weights
nor residuals. It is right as long as few units change sign, and its error is measured, not assumed.

f and its Jacobian after all steps are those of the network that is linear in W around the start: W̃ moves as
W̃ <- W̃ - (η/n) Σ_i (Σ_c e_ic A_cr φ'(w_r⁰·x_i)) x_i, and f̃ = A [φ(s⁰) + φ'(s⁰) ∘ (W̃x - s⁰)] with s⁰ = W₀x. That is how
they are computed, for any x and without a sum over all steps; `prediction_reference` has the sums.
[paper: Eq. 8 for one sample]
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deep_check.ops.loss_cpu import loss as loss_of
from deep_check.resnet import InputGradient
from deep_check.two_layer.activations import activate
from deep_check.two_layer.network import TwoLayer, one_thread

Array = NDArray[np.float32]


class Prediction:
    """The predicted network after the steps done so far, a `Target`; it never sees the trained one.

    moved: W̃ (width, 3072), what `step` changes.
    """

    def __init__(self, start: TwoLayer) -> None:
        """start: the network before training; copied."""
        self.reading, self.outer = start.reading, start.outer.copy()
        self._first = start.inner.copy()
        self.moved = start.inner.copy()

    @one_thread
    def __call__(self, images: Array) -> Array:
        """Outputs (n, n_classes), behind ψ."""
        return self._outputs(self._parts(self.reading.rows(images))[2])[0]

    @one_thread
    def input_gradient(self, images: Array, labels: NDArray[Any], loss: str) -> InputGradient:
        """Losses (n,) of the predicted outputs, their gradients by the images, outputs."""
        slope, bent, hidden = self._parts(self.reading.rows(images))
        outputs, steepness = self._outputs(hidden)
        losses, d_outputs = loss_of(outputs, labels, loss)
        d_hidden = (d_outputs * steepness) @ self.outer
        d_rows = (d_hidden * slope) @ self.moved
        if bent.any():  # ReLU has no curvature
            d_rows = d_rows + (d_hidden * bent) @ self._first
        return InputGradient(losses, self.reading.pull_back(d_rows), outputs)

    @one_thread
    def step(self, images: Array, labels: NDArray[Any], loss: str, learning_rate: float) -> None:
        """One step of the recurrence on a batch."""
        rows = self.reading.rows(images)
        slope, _, hidden = self._parts(rows)
        outputs, steepness = self._outputs(hidden)
        residual = loss_of(outputs, labels, loss)[1] * steepness  # e
        update = (residual @ self.outer * slope).T @ rows
        self.moved -= np.float32(learning_rate / len(rows)) * update

    def _parts(self, rows: Array) -> tuple[Array, Array, Array]:
        """φ'(s⁰), φ''(s⁰) ∘ (W̃x - s⁰) and the predicted hidden layer, each (n, width)."""
        first = rows @ self._first.T
        value, slope, curvature = activate(self.reading.hidden, first)
        change = rows @ self.moved.T - first
        return slope, curvature * change, value + slope * change

    def _outputs(self, hidden: Array) -> tuple[Array, Array]:
        """Outputs and ψ' at the sums before them."""
        outputs, steepness, _ = activate(self.reading.output, hidden @ self.outer.T)
        return outputs, steepness
