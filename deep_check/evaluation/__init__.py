"""What a defence in front of a network is worth: attacks that know it and attacks that do not, and a conclusion.

The order of a run: the attack is tested on itself (`selftest`), rows are measured one by one (`plan`, `measure`), they
are checked against each other and put into words (`conclusion`), and shown (`picture`, `page`).
[Athalye, Carlini, Wagner 2018; Carlini et al. 2019, On evaluating adversarial robustness; Tramèr et al. 2020]
"""
