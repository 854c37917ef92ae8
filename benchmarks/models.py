"""Both networks at full width on every backend, as ratios to eager torch and as a share of the machine's matrix limit.

    python -m benchmarks.models [--rounds 5] [--threads N] [--only NAME ...] [--no-compile] [--ecgs 10]

The limit is measured in the same run, first and again in every round: the most fp32 GFLOP/s that ``torch.matmul`` and
convolutions of ResNet-50's kind in OpenVINO have reached by then. FLOPs are counted by ``torch.utils.flop_counter``, a
multiplication and an addition as two. All backends of a network take turns in every round, so that a busy neighbour
meets all of them; times are medians, ratios the medians of each round's own. Weights are random: time does not depend
on them. "explanation" is the backward pass that tells where ECG12Net looked. ECG12Net gets one crop; "loop" is its
twelve trunks one after the other, what grouped convolution replaces. "difference" is from torch fp32 on the CPU, as
``inference.backend`` measures it when a bundle loads. Where there is a
CUDA device, the same there.

Last, the work role beside the models alone: the real ECG in pydicom's wheel through the reader's child process,
scoring (both networks at full width, 5 crops), decision, drawings and messages, as a worker does it, and through the
scorer alone.
"""

import argparse
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

import ecgd  # noqa: F401 - sets the number of threads before numpy loads

# isort: split
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from config.schema import Models, Settings
from domain.arrival import Arrival, Format
from ecgd.pipeline import process
from ecgd.reader import Reader
from inference.backend import Array, Backend, CudaGraphBackend, OpenVinoBackend, TorchBackend, difference
from inference.bundle import write_bundle
from inference.crops import PREPROCESSING_VERSION as CROPS_VERSION
from inference.ecg12net import CROP, LEADS, ECG12Net, LeadBlock
from inference.eianet import EIANet
from inference.explain import explained
from inference.picture import PREPROCESSING_VERSION as PICTURE_VERSION
from inference.scorer import Scorer
from simulator.sample import real_dicom

SIZES = ((224, 224), (512, 512), (800, 1200))
GEMM = (512, 1024, 2048)
CONVOLUTIONS = ((64, 128, 128), (128, 64, 64), (256, 56, 56))  # channels in and out, height, width; 3x3


class Loop(ECG12Net):
    """ECG12Net with its twelve lead blocks one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(LeadBlock() for _ in range(LEADS))

    def maps(self, crops: Tensor) -> Tensor:
        """``[N, 12, 1024]`` -> ``[N, 12, 864, 16]``."""
        blocks = cast(list[LeadBlock], list(self.blocks))
        return torch.stack([block.maps(crops[:, lead : lead + 1]) for lead, block in enumerate(blocks)], dim=1)


@dataclass
class Case:
    """One network at one size, and its backends' times."""

    name: str
    network: Callable[[], nn.Module]
    example: tuple[Array, ...]
    flops: float = 0.0
    apart: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)


class Compiled(TorchBackend):
    """``torch.compile`` with its defaults, fixed shapes."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(torch.compile(network, dynamic=False))  # type: ignore[arg-type]
        self.name = "torch-compile-cpu"


@dataclass
class Limit:
    """The most GFLOP/s seen so far; ``look`` tries again."""

    probes: dict[str, Callable[[], float]]
    seen: dict[str, float] = field(default_factory=dict)

    def look(self) -> None:
        for name, probe in self.probes.items():
            self.seen[name] = max(probe(), self.seen.get(name, 0.0))

    @property
    def cpu_fp32(self) -> float:
        return max(rate for name, rate in self.seen.items() if not name.startswith("CUDA"))


def limit_of(threads: int) -> Limit:
    """One probe a kind of kernel, at the size that did best."""
    made = [*map(convolution, CONVOLUTIONS, [threads] * len(CONVOLUTIONS))]
    probes = {
        "torch.matmul fp32": max(map(matmul, GEMM), key=lambda probe: probe()),
        "OpenVINO convolution f32": max(made, key=lambda probe: probe()),
    }
    if torch.cuda.is_available():
        for kind in (torch.float32, torch.bfloat16):
            probes[f"CUDA matmul {kind}"] = matmul(8192, "cuda", kind)
    return Limit(probes)


def matmul(size: int, device: str = "cpu", kind: torch.dtype = torch.float32) -> Callable[[], float]:
    a, b = (torch.randn(size, size, device=device, dtype=kind) for _ in range(2))

    def run() -> None:
        torch.matmul(a, b)
        if device == "cuda":
            torch.cuda.synchronize()

    return lambda: 2 * size**3 / fastest(run) / 1e9


def convolution(shape: tuple[int, int, int], threads: int) -> Callable[[], float]:
    channels, height, width = shape
    layers = [nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(8)]
    network = One(nn.Sequential(*layers)).eval().requires_grad_(False)
    example = (np.random.default_rng(0).normal(size=(1, channels, height, width)).astype(np.float32),)
    run = partial(OpenVinoBackend(network, example, threads), *example)
    return lambda: 8 * 2 * 9 * channels**2 * height * width / fastest(run) / 1e9


class One(nn.Module):
    """Convolutions whose one output is a single number, so that copying it costs nothing."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """The mean."""
        return (self.inner(x).mean(),)


def fastest(run: Callable[[], object], runs: int = 3) -> float:
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return min(times)


def cases() -> list[Case]:
    draw = np.random.default_rng(0)
    pictures = {size: (draw.random((1, 1, *size)) > 0.95).astype(np.float32) for size in SIZES}
    crop = draw.normal(0, 0.3, (1, LEADS, CROP)).astype(np.float32)
    made = [Case(f"eianet-{h}x{w}", EIANet, (pictures[h, w],)) for h, w in SIZES]
    made.append(Case("ecg12net-separate", ECG12Net, (crop,)))
    made.append(Case("ecg12net-shared", partial(ECG12Net, shared=True), (crop,)))
    return made


def ready(make: Callable[[], nn.Module], example: tuple[Array, ...]) -> nn.Module:
    """The same weights each time, in evaluation mode, their batch norms set on the example.

    Without, an untrained network fades, and what low precision costs would not be seen.
    """
    torch.manual_seed(0)
    network = make().requires_grad_(False)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.momentum = None  # cumulative average: one pass is exact
    network.train()(*(torch.from_numpy(np.concatenate([array, array[..., ::-1]])) for array in example))
    return network.eval()


def backends(case: Case, threads: int, compiled: bool) -> list[Backend]:
    """The CPU's, and where there is one the card's; the reference, eager torch on the CPU, first."""
    network = partial(ready, case.network, case.example)
    builds: list[Callable[[], Backend]] = [lambda: TorchBackend(network())]
    if case.network is ECG12Net:
        builds.append(lambda: named(TorchBackend(ready(Loop, case.example)), "torch-cpu, loop"))
    if compiled:
        builds.append(lambda: Compiled(network()))
    builds.append(lambda: OpenVinoBackend(network(), case.example, threads))
    builds.append(lambda: OpenVinoBackend(network(), case.example, threads, "bf16"))
    if torch.cuda.is_available():
        builds.append(lambda: TorchBackend(network(), "cuda"))
        builds.append(lambda: CudaGraphBackend(network(), case.example, "fp32"))
        builds.append(lambda: CudaGraphBackend(network(), case.example, "bf16"))
    return [backend for build in builds if (backend := tried(build, case.example)) is not None]


def tried(build: Callable[[], Backend], example: tuple[Array, ...]) -> Backend | None:
    """Build and warm; a backend that this machine cannot run (no compiler, no kernel) is said and left out."""
    try:
        backend = build()
        backend(*example)
        backend(*example)
    except (RuntimeError, ImportError, OSError) as error:  # torch.compile without a compiler, CUDA without memory
        print(f"left out: {type(error).__name__}: {str(error).splitlines()[0][:100]}")
        return None
    return backend


def named(backend: Backend, name: str) -> Backend:
    backend.name = name
    return backend


def measure(case: Case, limit: Limit, rounds: int, threads: int, compiled: bool) -> None:
    network = ready(case.network, case.example)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(*map(torch.from_numpy, case.example))
    case.flops = counter.get_total_flops()
    running = backends(case, threads, compiled)
    told = explained(network)
    if told is not network:
        running.append(named(TorchBackend(told), "with explanation, torch"))
        running.append(named(OpenVinoBackend(told, case.example, threads), "with explanation, OpenVINO"))
    for backend in running:
        if backend.name.startswith(("torch", "openvino", "cuda")) and "loop" not in backend.name:  # other weights
            case.apart[backend.name] = difference(backend, running[0], [case.example])
    for _ in range(rounds):
        limit.look()
        for backend in running:
            began = time.perf_counter()
            backend(*case.example)
            case.seconds.setdefault(backend.name, []).append(time.perf_counter() - began)


def show(case: Case, limit: float) -> None:
    eager = "torch-cpu"
    print(f"\n{case.name}: {case.flops / 1e9:.2f} GFLOP\n")
    print("| backend | ms, median | range | times eager torch | share of the limit | difference |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, seconds in case.seconds.items():
        ratio = statistics.median(a / b for a, b in zip(case.seconds[eager], seconds, strict=True))
        median, low, high = (1e3 * x for x in (statistics.median(seconds), min(seconds), max(seconds)))
        comparable = name.endswith("cpu") or "loop" in name
        share = f"{case.flops / 1e9 / (median / 1e3) / limit:.0%}" if comparable else "-"
        apart = f"{case.apart[name]:.1g}" if name in case.apart else "-"
        print(f"| {name} | {median:.1f} | {low:.1f}-{high:.1f} | {ratio:.2f} | {share} | {apart} |", flush=True)


def full_bundles(folder: Path) -> tuple[Path, Path]:
    """Random weights in the papers' widths; arrest's head is scaled so that no answer is beyond belief."""
    draw = np.random.default_rng(0)
    eianet = ready(EIANet, ((draw.random((1, 1, 512, 768)) > 0.95).astype(np.float32),))
    crop = draw.normal(0, 0.3, (1, LEADS, CROP)).astype(np.float32)
    ecg12net = ready(partial(ECG12Net, ordinal=True), (crop,))
    eianet.get_parameter("fc.weight").div_(100)
    size = {"input_height": 512, "input_width": 768}
    arrest = {"kind": "eianet", "width": 64, "in_channels": 1, "attention": True, **size}
    trunks = {"kind": "ecg12net", "width": 32, "trunks": "separate", "head": "ordinal", "emps": False, "crops": 5}
    kinds: list[tuple[str, nn.Module, dict[str, Any], tuple[str, int], tuple[str, str]]] = [
        ("eianet-full", eianet, arrest, ("picture", PICTURE_VERSION), ("arrest", "1")),
        ("ecg12net-full", ecg12net, trunks, ("crops", CROPS_VERSION), ("potassium", "mmol/L")),
    ]
    for name, network, architecture, (preprocessing, version), (quantity, unit) in kinds:
        facts = {
            "name": name,
            "version": "0",
            "status": "stand-in",
            "architecture": architecture,
            "preprocessing": {"name": preprocessing, "version": version},
            "output": {"quantity": quantity, "unit": unit},
            "calibration": {"kind": "identity"},
            "intended_use": "Measuring time.",
            "training_data": "None: random weights.",
        }
        write_bundle(folder / name, facts, network.state_dict(), "Random weights, for measuring time only.\n")
    return folder / "eianet-full", folder / "ecg12net-full"


def work(ecgs: int, threads: int) -> None:
    """ECGs a second through a worker's stages, and through the scorer alone, in turn."""
    with tempfile.TemporaryDirectory() as name:
        bundles = full_bundles(Path(name))
        settings = Settings(models=Models(bundles=bundles, threads=threads))
        scorer = Scorer(settings.models)
    reader = Reader(settings.reading)
    payload, now = real_dicom().read_bytes(), partial(datetime.now, UTC)
    whole, alone = [], []
    try:
        for number in range(ecgs + 2):
            arrival = Arrival(
                key=f"bench-{number}", format=Format.DICOM, payload=payload, source="bench", received_at=now()
            )
            began = time.perf_counter()
            settled = process(number, arrival, read=reader.read, score=scorer.score, settings=settings, clock=now)
            between = time.perf_counter()
            scorer.score(settled.findings[0].ecg)
            if number >= 2:  # the first ones find cold caches
                whole.append(between - began)
                alone.append(time.perf_counter() - between)
    finally:
        reader.close()
    said = ", ".join(f"{facts.name} on {facts.backend}" for facts in scorer.models)
    ratio = statistics.median(a / w for a, w in zip(alone, whole, strict=True))
    print(f"\nwork role ({said}): {1 / statistics.median(whole):.2f} ECGs/s; scoring alone", end=" ")
    print(f"{1 / statistics.median(alone):.2f} ECGs/s; the work role reaches {ratio:.0%} of the models' own rate")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    arguments.add_argument("--only", nargs="*", help="names, or their beginnings, of the networks to take")
    arguments.add_argument("--no-compile", action="store_true", help="without torch.compile, which takes minutes")
    arguments.add_argument("--ecgs", type=int, default=10, help="through the work role; 0 leaves it out")
    chosen = arguments.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(chosen.threads)
    limit = limit_of(chosen.threads)
    limit.look()
    card = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    print(f"{chosen.threads} threads, torch {torch.__version__}{card}", flush=True)
    for case in cases():
        if not chosen.only or case.name.startswith(tuple(chosen.only)):
            measure(case, limit, chosen.rounds, chosen.threads, not chosen.no_compile)
            show(case, limit.cpu_fp32)
    print("\nlimits, GFLOP/s: " + ", ".join(f"{name} {rate:.0f}" for name, rate in limit.seen.items()), flush=True)
    if chosen.ecgs:
        work(chosen.ecgs, chosen.threads)


if __name__ == "__main__":
    main()
