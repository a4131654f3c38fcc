"""The symbols of the derivations and how each is written: one place for text, LaTeX and MathML.

A symbol's SymPy name is ASCII and unique; `NAMES` says what a reader sees. What carries an index is an `IndexedBase`:
unit r, sample μ, frequency k, step t. `MEANING` has the glossary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sympy import Function, IndexedBase, Symbol


@dataclass(frozen=True)
class Name:
    """A base letter (Unicode) with an accent ("hat", "tilde" or none), a subscript and a superscript."""

    base: str
    accent: str = ""
    sub: str = ""
    sup: str = ""


NAMES: dict[str, Name] = {}
MEANING: dict[str, str] = {}


def _record(name: str, look: Name | str, meaning: str) -> None:
    assert name not in NAMES, name
    NAMES[name] = look if isinstance(look, Name) else Name(look)
    MEANING[name] = meaning


def scalar(name: str, look: Name | str, meaning: str, **assumptions: bool) -> Symbol:
    """A real number, with further SymPy assumptions."""
    _record(name, look, meaning)
    return Symbol(name, **({"real": True} | assumptions))


def family(name: str, look: Name | str, meaning: str, **assumptions: bool) -> IndexedBase:
    """Numbers with an index, real unless `complex=True`."""
    _record(name, look, meaning)
    return IndexedBase(name, **(assumptions or {"real": True}))


def index(name: str, look: str, meaning: str) -> Symbol:
    """An index; where it is free in a definition, the definition holds for each of its values."""
    _record(name, look, meaning)
    symbol = Symbol(name, integer=True, nonnegative=True)
    INDICES.add(symbol)
    return symbol


INDICES: set[Symbol] = set()

# Indices and sizes
r = index("r", "r", "hidden unit, 1 … m")
u = index("u", "u", "another hidden unit")
mu = index("mu", "μ", "sample of the input, 0 … d−1")
nu = index("nu", "ν", "another sample of the input")
k = index("k", "k", "frequency, 0 … (d−1)/2")
kp = index("kp", "k′", "a lower frequency, 0 < k′ < k")
t = index("t", "t", "step of training")
i = index("i", "i", "an earlier step of training")
m = scalar("m", "m", "width: number of hidden units", integer=True, positive=True)
d = scalar("d", "d", "dimension of the input, odd", integer=True, positive=True)
kc = scalar("kc", Name("k", sub="c"), "cut-off frequency", integer=True, positive=True)
K = scalar("K", "K", "highest frequency, (d−1)/2", integer=True, positive=True)


# The activation function and its derivatives
class curvature(Function):  # noqa: N801 - printed as a function of the network, not a class of the code
    """σ″."""


class slope(Function):  # noqa: N801
    """σ′."""

    def fdiff(self, argindex: int = 1) -> Any:
        """σ″."""
        return curvature(self.args[0])


class sigma(Function):  # noqa: N801
    """σ."""

    def fdiff(self, argindex: int = 1) -> Any:
        """σ′."""
        return slope(self.args[0])


# Families whose first index is a step, written as a superscript in parentheses; `ght` and `R2t` have k as the second.
STEPPED = frozenset({"ght", "R2t", "drives", "decays", "Lt", "Ht", "clt", "cht", "gapt", "taut", "ellt", "excess"})
FUNCTIONS = {sigma: Name("σ"), slope: Name("σ", sup="′"), curvature: Name("σ", sup="″")}

# The network and one step of its training; a prime marks the value after the step
W = family("W", "W", "inner weights")
a = family("a", "a", "outer weights")
x = family("x", "x", "input")
s = family("s", "s", "preactivation w_r·x")
g = family("g", "g", "input gradient ∇ₓf")
f = scalar("f", "f", "output of the network")
y = scalar("y", "y", "label")
ell = scalar("ell", Name("ℓ", sup="′"), "residual ∂ℓ/∂f = f − y", nonzero=True)
loss = scalar("loss", "ℓ", "loss ½(y − f)²")
eta = scalar("eta", "η", "learning rate", positive=True)
x2 = scalar("x2", "‖x‖²", "squared length of x", positive=True)
a2 = scalar("a2", "‖a′‖²", "Σ_r a_r²σ′(s_r)²", positive=True)
drive = scalar("drive", Name("η", sup="(t)"), "drive η ℓ′‖a′‖² [paper: Eq. 8]")
decay = scalar("decay", Name("η", "tilde"), "decay, mean over r of η_r [paper: Eq. 8]")
rate = family("rate", "η", "decay of unit r, η a_r‖x‖²ℓ′σ″(s_r)")
rho = scalar("rho", "ϱ", "relative rate η‖a′‖²‖x‖²", positive=True)
W1 = family("W1", Name("W", sup="′"), "inner weights after the step")
s1 = family("s1", Name("s", sup="′"), "preactivation after the step")
g1 = family("g1", Name("g", sup="′"), "input gradient after the step")
f1 = scalar("f1", Name("f", sup="′"), "output after the step")
ell1 = scalar("ell1", Name("ℓ", sup="′(t+1)"), "residual after the step")
weight_slope = family("weight_slope", Name("∂f/∂W"), "derivative of f in one weight")
kernel = scalar("kernel", "K(x,x)", "tangent kernel Σ (∂f/∂W)² = ‖a′‖²‖x‖²", positive=True)
dkernel = family("dkernel", Name("∇K"), "gradient of x ↦ K(x,x)")

# Spectra: complex, and in polar form as the paper draws them
gh = family("gh", Name("g", "hat"), "DFT of the input gradient", complex=True)
gh1 = family("gh1", Name("g", "hat", sup="′"), "DFT of the input gradient after the step", complex=True)
xh = family("xh", Name("x", "hat"), "DFT of x", complex=True)
G = family("G", Name("|ĝ|"), "|ĝ[k]|", real=True, nonnegative=True)
X = family("X", Name("|x̂|"), "|x̂[k]|", real=True, positive=True)
phi = family("phi", "φ", "phase of ĝ[k]")
psi = family("psi", "ψ", "phase of x̂[k]")
Dphi = family("Dphi", "Δφ", "difference of phases of ĝ[k] and x̂[k]")
E = family("E", "E", "|ĝ[k]|²")
E1 = family("E1", Name("E", sup="′"), "|ĝ[k]|² after the step")
inner = family("inner", "⟨ĝ,x̂⟩", "|ĝ[k]||x̂[k]| cos Δφ_k, the inner product of two plane vectors")
inner1 = family("inner1", Name("⟨ĝ,x̂⟩", sup="′"), "the same after the step")
w = family(
    "w", "w", "weight of frequency k in a band sum (two-sided: 1, 2, 2 …; one-sided: 1)", real=True, positive=True
)

# The attack of one step
epsilon = scalar("epsilon", "ε", "radius of the attack", positive=True)
norm_g = scalar("norm_g", "‖g‖", "length of the input gradient", positive=True)
FGM = family("FGM", Name("δ", "hat"), "DFT of the FGM perturbation", complex=True)
fgm_tau = scalar("fgm_tau", "τ(δ)", "low-frequency ratio of the FGM perturbation", positive=True)

# Band scalars
L = scalar("L", "L", "low-band energy of ĝ", nonnegative=True)
H = scalar("H", "H", "high-band energy of ĝ (> 0, or τ could not be below τ(x))", positive=True)
L1 = scalar("L1", Name("L", sup="′"), "low-band energy after the step", nonnegative=True)
H1 = scalar("H1", Name("H", sup="′"), "high-band energy after the step", nonnegative=True)
N1 = scalar("N1", Name("N", sup="′"), "whole energy after the step", positive=True)
Lx = scalar("Lx", Name("L", sub="x"), "low-band energy of x̂", positive=True)
Hx = scalar("Hx", Name("H", sub="x"), "high-band energy of x̂", positive=True)
cl = scalar("cl", Name("Δτ", sub="l"), "−2 Σ_low w_k|ĝ||x̂| cos Δφ")
ch = scalar("ch", Name("Δτ", sub="h"), "−2 Σ_high w_k|ĝ||x̂| cos Δφ")
cl1 = scalar("cl1", Name("Δτ", sub="l", sup="′"), "Δτ_l after the step")
ch1 = scalar("ch1", Name("Δτ", sub="h", sup="′"), "Δτ_h after the step")
gap = scalar("gap", "Δ", "Δτ_l − Δτ_h")
gap1 = scalar("gap1", Name("Δ", sup="′"), "Δτ_l − Δτ_h after the step")
tl = scalar("tl", Name("τ", sub="l"), "low-frequency ratio L/(L+H)", positive=True)
th = scalar("th", Name("τ", sub="h"), "high-frequency ratio H/(L+H)", positive=True)
tl1 = scalar("tl1", Name("τ", sub="l", sup="′"), "low-frequency ratio after the step")
rise = scalar("rise", "δτ", "change of τ in one step")
tx = scalar("tx", "τ(x)", "low-frequency ratio of the input", positive=True)
zeta = scalar("zeta", "ζ", "τ(x) − τ(δ⁰)", positive=True)
margin = scalar("margin", Name("M", sub="12"), "margin of Eq. 12: τ(x)(Δτ_l+Δτ_h) − Δτ_l")

# All steps at once
drives = family("drives", "η", "drive of step t")
decays = family("decays", Name("η", "tilde"), "decay of step t")
P = family("P", "P", "product of (1−η̃) up to step t", real=True, positive=True)
Q = family("Q", "Q", "accumulated drive, Q_{t+1} = (1−η̃)Q_t + η^(t)")
ght = family("ght", Name("g", "hat"), "DFT of the input gradient at step t: first index t, then k", complex=True)
Lt = family("Lt", "L", "low-band energy at step t")
Ht = family("Ht", "H", "high-band energy at step t")
clt = family("clt", Name("Δτ", sub="l"), "Δτ_l at step t")
cht = family("cht", Name("Δτ", sub="h"), "Δτ_h at step t")
gapt = family("gapt", "Δ", "Δτ_l − Δτ_h at step t")
taut = family("taut", "τ", "low-frequency ratio at step t")
ellt = family("ellt", Name("ℓ", sup="′"), "residual at step t")
step_q = scalar("step_q", "δq", "q_{t+1} − q_t")
qt = family("qt", "q", "Q_t/P_t at step t")
q = scalar("q", "q", "Q/P: where on the rational curve a step stands")
q1 = scalar("q1", Name("q", sup="′"), "q one step later")
tau_q = scalar("tau_q", "τ(q)", "low-frequency ratio as a function of q")
tau_q1 = scalar("tau_q1", "τ(q′)", "low-frequency ratio one step later")
dtau = scalar("dtau", "dτ/dq", "derivative of τ(q)")
p0 = scalar("p0", Name("p", sub="0"), "Δτ_l H − Δτ_h L")
p1 = scalar("p1", Name("p", sub="1"), "L_x H − H_x L")
p2 = scalar("p2", Name("p", sub="2"), "L_x Δτ_h − H_x Δτ_l")
B = scalar("B", "B", "the bracket p₀ + p₁(q+q′) + p₂ q q′: sign of one step's change of τ")
lift = scalar("lift", "τ(q′)−τ(q)", "change of τ from q to q′")
N_q = scalar("N_q", "N(q)", "whole energy at q, over P²", positive=True)
N_q1 = scalar("N_q1", "N(q′)", "whole energy at q′, over P²", positive=True)
below = scalar("below", "U", "τ(x) N(q) − L(q): positive iff τ(q) < τ(x)")
T = index("T", "T", "number of steps taken")

# Theorem 2: two frequencies
R = family("R", "R", "|ĝ[k]|/|x̂[k]| at the start", real=True, nonnegative=True)
R2t = family("R2t", Name("R²"), "(|ĝ^(t)[k]|/|x̂[k]|)²: first index t, then k")
lead = scalar("lead", "D", "R_k² − R_k′² at a later step, over P²")
lead0 = scalar("lead0", Name("D", sub="0"), "R_k² − R_k′² at the start", positive=True)
bracket = scalar("bracket", "C", "R_k cos Δφ_k − R_k′ cos Δφ_k′ at the start", positive=True)
drive_max = scalar("drive_max", Name("η", sub="max"), "largest drive, η β λ²‖a‖²", positive=True)

# Bounds and signs
t0 = scalar("t0", Name("t", sub="0"), "the step after which a statement holds")
n_min = scalar("n_min", Name("n"), "min ‖a′‖²", positive=True)
beta0 = scalar("beta0", Name("β", sub="0"), "min |ℓ′|", positive=True)
room = scalar("room", "Λ", "L_x − H_x > 0 (Eq. 2)", positive=True)
excess = family("excess", "χ", "what the drive has above its minimum", real=True, nonnegative=True)
c1 = scalar("c1", Name("c", sub="1"), "p₁, positive", positive=True)
c2 = scalar("c2", Name("c", sub="2"), "p₂, not negative", nonnegative=True)
b = scalar("b", "b", "a positive number", positive=True)
e = scalar("e", "e", "a positive number", positive=True)
c = scalar("c", "c", "a number that is not negative", nonnegative=True)
keep = scalar("keep", "ϑ", "1 − η̃, share that one step keeps, positive for η̃ < 1", positive=True)
push = scalar("push", Name("η", sub="+"), "a positive drive", positive=True)
q0 = scalar("q0", Name("q", sub="0"), "from here on", nonnegative=True)
v = scalar("v", "v", "how far q is beyond q₀", nonnegative=True)
v1 = scalar("v1", Name("v", sup="′"), "how far q′ is beyond q₀", nonnegative=True)
pos = scalar("pos", "p", "−q for a negative drive", nonnegative=True)
pos1 = scalar("pos1", Name("p", sup="′"), "−q′ for a negative drive", nonnegative=True)

# Assumptions
ell_end = scalar("ell_end", Name("ℓ", sup="′", sub="∞"), "limit of ℓ′ for t → ∞")
nu_ = scalar("nu_", "ν", "exponent of Assumption 2, 0 < ν < 1", positive=True)
z = scalar("z", "z", "where σ is taken")
sharpness = scalar("sharpness", "b", "sharpness of Softplus", positive=True)
value_at = scalar("value_at", "σ(z)", "Softplus at z")
slope_at = scalar("slope_at", "σ′(z)", "its slope")
bend_at = scalar("bend_at", "σ″(z)", "its curvature")
share = scalar("share", "h", "a positive number", positive=True)
room1 = scalar("room1", Name("ρ", sub="1"), "room below a bound")
room2 = scalar("room2", Name("ρ", sub="2"), "room below a bound")
gamma = scalar("gamma", "γ", "bound of σ″", positive=True)
outer1 = family("outer1", Name("a", sup="new"), "outer weights after a step that trains them too")
mean_tau = scalar("mean_tau", "E τ(δ⁰)", "mean of the start's ratio over random networks", positive=True)
mean_share = scalar("mean_share", "E τ₁", "mean share of one coordinate in ‖g‖²", positive=True)

# Eq. 2 and Eq. 3: signals
alpha = scalar("alpha", "α", "exponent of the power law, ≥ 1", positive=True)
alpha0 = scalar("alpha0", Name("α", sub="0"), "|x̂[0]|", nonnegative=True)
eq2_room = scalar("eq2_room", Name("M", sub="2"), "margin of Eq. 2")
tail = scalar("tail", "S", "Σ_{k>k_c} k^{−2α}", positive=True)
ratio = scalar("ratio", "ρ", "|F(δ)[k]|/|F(x)[k]|", positive=True)
angle = scalar("angle", "φ", "phase of F(δ)[k] relative to F(x)[k]")
log_change = scalar("log_change", Name("Λ"), "ln|F(x+δ)| − ln|F(x)|")
log_size = scalar("log_size", "|Λ|", "its size", nonnegative=True)
spectrum_change = scalar("spectrum_change", "Δ", "20 |ln|F(x+δ)| − ln|F(x)||", nonnegative=True)
mean_change = scalar("mean_change", "⟨Δ⟩", "its mean over a uniform phase", nonnegative=True)

# Appendix B: an attack
delta = family("delta", "δ", "perturbation δ^(j)")
delta1 = family("delta1", Name("δ", sup="′"), "perturbation after the step")
grad1 = family("grad1", Name("∇ℓ"), "gradient of the loss at x + δ")
kappa = family("kappa", "κ", "δ/ξ")
kappa1 = family("kappa1", Name("κ", sup="′"), "κ after the step, before the projection")
xi = scalar("xi", "ξ", "step size of the attack", positive=True)
beta = scalar("beta", "β", "gain ∂ℓ/∂f + δ·g")
beta1 = scalar("beta1", Name("β", sup="′"), "gain after the step")
dg = scalar("dg", "δ·g", "inner product of δ and g")
curve_d = family("curve_d", "(Hδ)", "second derivative of f along δ: Σ_r a_r σ″(s_r)(w_r·δ) w_r")
sd = family("sd", Name("s", accent="tilde"), "preactivation at x + δ")
fd = scalar("fd", "f(x+δ)", "output at x + δ")
kh = family("kh", Name("κ", "hat"), "DFT of κ", complex=True)
kh1 = family("kh1", Name("κ", "hat", sup="′"), "DFT of κ after the step", complex=True)
Ka = family("Ka", Name("|κ̂|"), "|κ̂[k]|", real=True, nonnegative=True)
chi = family("chi", "χ", "phase of κ̂[k]")
Dpk = family("Dpk", "Δφ", "difference of phases of κ̂[k] and ĝ[k]")
Lg = scalar("Lg", Name("L", sub="g"), "low-band energy of ĝ", positive=True)
Hg = scalar("Hg", Name("H", sub="g"), "high-band energy of ĝ", positive=True)
cl2 = scalar("cl2", Name("Δτ", sub="l,2"), "2 Σ_low w_k|κ̂||ĝ| cos Δφ")
ch2 = scalar("ch2", Name("Δτ", sub="h,2"), "2 Σ_high w_k|κ̂||ĝ| cos Δφ")
cl2n = scalar("cl2n", Name("Δτ", sub="l,2", sup="′"), "Δτ_{l,2} after the step")
ch2n = scalar("ch2n", Name("Δτ", sub="h,2", sup="′"), "Δτ_{h,2} after the step")
Lk = scalar("Lk", Name("L", sub="κ"), "low-band energy of κ̂", nonnegative=True)
Hk = scalar("Hk", Name("H", sub="κ"), "high-band energy of κ̂", nonnegative=True)
Lk1 = scalar("Lk1", Name("L", sub="κ", sup="′"), "low-band energy of κ̂ after the step", nonnegative=True)
Hk1 = scalar("Hk1", Name("H", sub="κ", sup="′"), "high-band energy of κ̂ after the step", nonnegative=True)
Nk1 = scalar("Nk1", Name("N", sub="κ", sup="′"), "whole energy of κ̂ after the step", positive=True)
tkl = scalar("tkl", Name("τ", sub="l"), "low-frequency ratio of the perturbation", nonnegative=True)
tkh = scalar("tkh", Name("τ", sub="h"), "high-frequency ratio of the perturbation", nonnegative=True)
rise_k = scalar("rise_k", "δτ", "change of the perturbation's ratio in one step")
gap_k = scalar("gap_k", Name("Δ", sub="2"), "Δτ_{l,2} − Δτ_{h,2}")
gap_k1 = scalar("gap_k1", Name("Δ", sub="2", sup="′"), "Δτ_{l,2} − Δτ_{h,2} after the step")
gap_k0 = scalar("gap_k0", Name("Δ", sub="2", sup="(0)"), "Δτ_{l,2} − Δτ_{h,2} at the start")
j = scalar("j", "j", "number of steps of the attack", integer=True, nonnegative=True)
j0 = scalar("j0", Name("j", sub="0"), "the step after which Δτ_{l,2} > Δτ_{h,2}")
B_max = scalar("B_max", "max β", "largest gain", positive=True)
B_min = scalar("B_min", "min β", "least gain", positive=True)
gap_sum = scalar("gap_sum", Name("Δ", sub="2", sup="(j)"), "the same after j steps")
more = scalar("more", "χ", "what the gains have above their minimum", nonnegative=True)

# Lemma 1: the projection
far = scalar("far", "|v−p|²", "squared distance of the unprojected point from its projection p")
away = scalar("away", "A", "(v−p)·(z−p) for any z in the ball")
span = scalar("span", "S", "‖z−p‖²", nonnegative=True)
h = scalar("h", "h", "how far from p towards z, 0 < h ≤ 1", positive=True)
step2 = scalar("step2", "‖p−δ‖²", "squared length of the projected step", nonnegative=True)
along = scalar("along", "g·(p−δ)", "the projected step along g")
dbeta = scalar("dbeta", "δβ", "β′ − β")
beta_pos = scalar("beta_pos", "β", "a positive gain", positive=True)
nearer = scalar("nearer", Name("d"), "‖v−(p+h(z−p))‖² − ‖v−p‖²")

# Wide networks
v_w = scalar("v_w", "v", "variance of one inner weight", positive=True)
s_var = scalar("s_var", "V", "variance of a preactivation, v‖x‖²", positive=True)
ss = scalar("ss", "s", "preactivation of one random unit")
density = scalar("density", "p(s)", "Gaussian density of s", positive=True)
density1 = scalar("density1", "p′(s)", "its derivative")
mean_hs = scalar("mean_hs", "E[h s]", "mean of h(s) s, h = σ′σ″")
mean_dh = scalar("mean_dh", "E[h′]", "mean of h′(s)")
mean_hw = family("mean_hw", Name("E[h w]"), "mean of h(s) w")
mean_dp = scalar("mean_dp", "∫h p′", "∫ h(s) p′(s) ds")
mean_s2 = scalar("mean_s2", "E[σ′²]", "mean of σ′(s)²", positive=True)
abar = scalar("abar", "E[a²]", "mean square of the outer weights", positive=True)
pull = family("pull", "Π", "Σ_r a_r²σ′(s_r)σ″(s_r) w_r")
