"""Score the real ECG in pydicom's wheel with both models until stopped: the load beside which the doors must answer."""

import ecgd  # noqa: F401 - sets the number of threads before numpy loads
from adapters import formats
from config.schema import Models, Reading
from inference.scorer import Scorer
from simulator.sample import real_dicom


def main() -> None:
    scorer = Scorer(Models())
    (ecg,) = formats.read_file(real_dicom(), Reading())
    while True:
        scorer.score(ecg)


if __name__ == "__main__":
    main()
