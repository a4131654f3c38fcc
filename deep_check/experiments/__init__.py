"""The paper's pictures of a deep network, one experiment a file: what is measured, how it is judged and drawn."""
