"""Pictures of a sweep, drawn from its Dataset alone: any value by request, and a few that every sweep gets.

generic.py draws a `Request`; phase.py, bounds.py and slopes.py draw the default pictures that defaults.py saves.
"""
