from theory_sim.derivations import gradient_laws, assumptions, closed_form

FAMILIES = {**gradient_laws.FAMILY, **assumptions.FAMILY, **closed_form.FAMILY}
