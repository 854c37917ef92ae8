"""The program: joins the stages; nothing else may."""

import os

# Before numpy and torch are imported. One ECG's vectors are small: BLAS threads that spin for them starve the doors and
# the models (66 ms for a dot product on a busy machine); OpenMP's waiting threads likewise.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
