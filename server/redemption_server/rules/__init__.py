"""Pure decisions.

Rules of this room: no I/O, no clock, no randomness, no framework. Facts, a command and the moment
go in; a decision comes out. Whatever a decision needs to know is in `facts`; whatever it wants done
is in the value it returns.
"""
