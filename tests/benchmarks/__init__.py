"""Speed, memory and stored bytes of this engine beside its peers, on the same bytes in one run.

``python -m tests.benchmarks`` from the checkout's root; ``--help`` tells what can be chosen. Peers are built from
their registries into a cache; one that cannot be built is left out, with a line that says so.
"""
