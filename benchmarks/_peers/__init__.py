"""What runs in a process of its own: other runtimes, and ours where the runtime is measured.

A module makes its works and serves them (`benchmarks._remote`). Those of other runtimes need
NumPy and their own package only, neither Keras nor lamina.
"""
