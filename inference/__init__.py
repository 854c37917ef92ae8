"""The models, whole and readable; the only place of torch and OpenVINO.

This file stays light: ``inference.decide`` must not load torch.
"""

import os

# Read by OpenMP once, when torch loads it: spinning threads starve the neighbours on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
