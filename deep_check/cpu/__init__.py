"""The network on the CPU: whole blocks of images go through all layers on one core each."""
