"use strict";
/* The closed form in the browser. explorer.py computes the same numbers; tests/report compares them to 1e-9. */
(function () {
  const N = 50, NAMES = ["q", "cutoff", "alpha", "alpha0", "label", "angle"];
  const FLAGS = ["eq2", "below", "eq12", "t1_unbounded", "t1_converging", "overshoots"];

  function planeOf(s) {
    const x = [s.alpha0], weight = [1], h = [0];
    for (let k = 1; k <= N; k++) { x.push(Math.pow(k, -s.alpha)); weight.push(2); h.push(k); }
    let xx = 0, hh = 0;
    for (let k = 0; k <= N; k++) { xx += weight[k] * x[k] * x[k]; hh += weight[k] * h[k] * h[k]; }
    const norm = Math.sqrt(xx), angle = s.angle * Math.PI / 180;
    const p = { L: 0, H: 0, cl: 0, ch: 0, Lx: 0, Hx: 0 };
    let inner = 0;
    for (let k = 0; k <= N; k++) {
      const g = Math.cos(angle) * x[k] + Math.sin(angle) * norm * h[k] / Math.sqrt(hh), w = weight[k];
      inner += w * g * x[k];
      if (k <= s.cutoff) { p.L += w * g * g; p.cl -= 2 * w * g * x[k]; p.Lx += w * x[k] * x[k]; }
      else { p.H += w * g * g; p.ch -= 2 * w * g * x[k]; p.Hx += w * x[k] * x[k]; }
    }
    p.limit = inner / xx - s.label;
    return p;
  }

  function tau(p, q) {
    const low = p.L + p.cl * q + p.Lx * q * q, high = p.H + p.ch * q + p.Hx * q * q;
    return low / (low + high);
  }

  function polynomial(p, side) {
    const cl = side * p.cl, ch = side * p.ch;
    return [cl * p.H - ch * p.L, p.Lx * p.H - p.Hx * p.L, p.Lx * ch - p.Hx * cl];
  }

  function value(c, q) { return c[0] + 2 * c[1] * q + c[2] * q * q; }

  function numbers(s) {
    const p = planeOf(s), tx = p.Lx / (p.Lx + p.Hx), side = p.limit > 0 ? 1 : -1;
    const here = polynomial(p, 1), ahead = polynomial(p, side);
    const margin = side * (tx * (p.cl + p.ch) - p.cl), gap = tx * (p.L + p.H) - p.L;
    const overshoot = margin < 0 ? -gap / margin : Infinity;
    const start = tau(p, 0), below = start < tx;
    return {
      plane: p, polynomial: here, low_energy: p.L, high_energy: p.H, low_cross: p.cl, high_cross: p.ch,
      input_low: p.Lx, input_high: p.Hx, tau_input: tx, tau_start: start, tau_q: tau(p, s.q),
      p0: here[0], p1: here[1], p2: here[2], slope_sign: value(here, s.q), eq12_margin: margin,
      q_limit: p.limit, overshoot: overshoot, eq2: p.Lx > p.Hx, below: below, eq12: margin > 0,
      t1_unbounded: ahead[2] > 0, t1_converging: p.limit !== 0 && value(ahead, Math.abs(p.limit)) > 0,
      overshoots: below && overshoot < Math.abs(p.limit),
    };
  }

  const root = document.getElementById("explorer");
  const input = (name) => root.querySelector('input[name="' + name + '"]');

  function sliders() {
    const s = {};
    for (const name of NAMES) s[name] = Number(input(name).value);
    return s;
  }

  function words(v) { return Number.isFinite(v) ? String(Number(v.toPrecision(5))) : "never"; }

  function curve(f, low, high, box, bottom, top) {
    const points = [];
    for (let i = 0; i <= 320; i++) {
      const q = low + (high - low) * i / 320, y = f(q);
      if (!Number.isFinite(y)) continue;
      const px = box.x + box.w * (q - low) / (high - low), py = box.y + box.h * (top - y) / (top - bottom);
      points.push((points.length ? "L" : "M") + px.toFixed(2) + " " + py.toFixed(2));
    }
    return points.join("");
  }

  function draw(s, n) {
    const low = -6, high = 6, box = { x: 46, y: 22, w: 300, h: 150 }, at = (q) => box.x + box.w * (q - low) / (high - low);
    const limit = Math.max(low, Math.min(high, n.q_limit)), zero = at(0);
    const shade = '<rect class="reached" x="' + Math.min(zero, at(limit)) + '" y="' + box.y + '" width="' +
      Math.abs(at(limit) - zero) + '" height="' + box.h + '"/>';
    const frame = (title, ticks, py) => '<text class="title" x="0" y="12">' + title + "</text>" +
      [-6, -4, -2, 0, 2, 4, 6].map((q) => '<text text-anchor="middle" x="' + at(q) + '" y="188">' + q + "</text>").join("") +
      '<text text-anchor="middle" x="' + at(3) + '" y="188">q</text>' +
      ticks.map((t) => '<line class="grid" x1="46" x2="346" y1="' + py(t) + '" y2="' + py(t) + '"/>' +
        '<text text-anchor="end" x="42" y="' + (py(t) + 4) + '">' + (t === 0 || Math.abs(t) >= 0.01 ? +t.toPrecision(2) : t.toExponential(0)) + "</text>").join("") +
      '<line class="grid" x1="' + zero + '" x2="' + zero + '" y1="' + box.y + '" y2="' + (box.y + box.h) + '"/>';
    const py1 = (v) => box.y + box.h * (1 - v);
    root.querySelector("#curve-tau").innerHTML = shade + frame("τ(q), and τ(x) dashed", [0, 0.5, 1], py1) +
      '<line class="input" x1="46" x2="346" y1="' + py1(n.tau_input) + '" y2="' + py1(n.tau_input) + '"/>' +
      '<path class="line" d="' + curve((q) => tau(n.plane, q), low, high, box, 0, 1) + '"/>' +
      '<circle cx="' + at(s.q) + '" cy="' + py1(n.tau_q) + '" r="4.5"/>';
    // The polynomial over the energies, so that it keeps one scale: its sign is what matters.
    const scale = (n.low_energy + n.high_energy) * (n.input_low + n.input_high);
    const f = (q) => value(n.polynomial, q) / scale;
    let top = 1e-6;
    for (let i = 0; i <= 40; i++) top = Math.max(top, Math.abs(f(low + (high - low) * i / 40)));
    const py2 = (v) => box.y + box.h * (top - v) / (2 * top);
    root.querySelector("#curve-sign").innerHTML = shade + frame("sign polynomial: τ rises where it is positive", [-top, 0, top], py2) +
      '<path class="line" d="' + curve(f, low, high, box, -top, top) + '"/>' +
      '<circle cx="' + at(s.q) + '" cy="' + py2(f(s.q)) + '" r="4.5"/>';
  }

  function say(n) {
    const yes = (flag, a, b) => '<li class="' + (flag ? "yes" : "no") + '">' + (flag ? a : b) + "</li>";
    const way = n.q_limit > 0 ? "f &gt; y" : n.q_limit < 0 ? "f &lt; y, judged with −Δτ and |q|" : "f = y: nothing is trained";
    root.querySelector("#explorer-verdicts").innerHTML = "<li>" + way + "; training ends at q∞ = " + words(n.q_limit) + "</li>" +
      yes(n.eq2, "Eq. 2 holds: the input's energy is low", "Eq. 2 fails: the input's energy is not low") +
      yes(n.below, "τ(δ⁰) = " + words(n.tau_start) + " is below τ(x) = " + words(n.tau_input),
        "τ(δ⁰) = " + words(n.tau_start) + " is not below τ(x) = " + words(n.tau_input) + ": the theorems say nothing") +
      yes(n.eq12, "Eq. 12 holds, margin " + words(n.eq12_margin), "Eq. 12 fails, margin " + words(n.eq12_margin)) +
      yes(n.t1_unbounded, "t₁ exists if |q| grows without bound", "no t₁ if |q| grows without bound: τ falls in the end") +
      yes(n.t1_converging, "t₁ exists if training converges (small steps)", "no t₁ if training converges: τ falls at q∞") +
      yes(!n.overshoots, "τ does not pass τ(x) before training ends", "τ passes τ(x) at |q| = " + words(n.overshoot)) +
      "<li>at q = " + words(sliders().q) + ": τ = " + words(n.tau_q) + ", sign polynomial " + words(n.slope_sign) + "</li>";
  }

  function update() {
    const s = sliders(), n = numbers(s), out = root.querySelector("#explorer-numbers");
    for (const name of NAMES) root.querySelector('output[name="' + name + '"]').textContent = input(name).value;
    for (const [name, number] of Object.entries(n)) {
      if (typeof number === "number") out.setAttribute("data-" + name.replaceAll("_", "-"), Number.isFinite(number) ? number.toPrecision(17) : String(number));
    }
    for (const name of FLAGS) out.setAttribute("data-" + name.replaceAll("_", "-"), String(n[name]));
    draw(s, n);
    say(n);
  }

  function fromHash() {
    const hash = window.location.hash.slice(1);
    if (hash.includes("=")) {
      for (const [name, text] of new URLSearchParams(hash)) {
        if (NAMES.includes(name)) input(name).value = text;
      }
    } else if (hash) {
      const target = document.getElementById(decodeURIComponent(hash));
      for (let e = target; e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
      if (target) target.scrollIntoView();
    }
    update();
  }

  root.addEventListener("input", update);
  window.addEventListener("hashchange", fromHash);
  window.addEventListener("beforeprint", () => document.querySelectorAll("details.printed").forEach((d) => { d.open = true; }));
  const unfold = document.getElementById("unfold");
  unfold.hidden = false;
  unfold.addEventListener("input", (event) => document.querySelectorAll("details").forEach((d) => { d.open = event.target.checked; }));
  fromHash();
})();
