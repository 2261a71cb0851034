"""Detection on real recordings, which are not part of the repository: run by hand, not by make.

A package of its own, since these scripts measure quality; what is timed elsewhere is speed.
"""
