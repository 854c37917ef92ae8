"""A model as a folder: ``model.safetensors``, ``bundle.yaml``, ``card.md``, and nothing else.

The bundle's sha256, which goes into every result, is that of its files' own sha256 listed by name, so that

    sha256sum bundle.yaml card.md model.safetensors | sha256sum

run inside the folder prints it. ``bundle.yaml`` names the sha256 of the weights; a mismatch is a mistake.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor, nn

from domain.errors import Permanent
from domain.reason import Reason
from inference import crops, picture, recording
from inference.manifest import Manifest
from inference.models import model_of

WEIGHTS, MANIFEST, CARD = "model.safetensors", "bundle.yaml", "card.md"
FILES = tuple(sorted((WEIGHTS, MANIFEST, CARD)))

PACKAGED = Path(__file__).parent / "bundles"
STAND_INS = (PACKAGED / "eianet-stand-in", PACKAGED / "ecg12net-stand-in")

VERSIONS = {
    picture.PREPROCESSING: picture.PREPROCESSING_VERSION,
    crops.PREPROCESSING: crops.PREPROCESSING_VERSION,
    recording.PREPROCESSING: recording.PREPROCESSING_VERSION,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A verified bundle: its facts, its hash, and its weights by name in the state dict."""

    path: Path
    facts: Manifest
    sha256: str
    weights: Mapping[str, Tensor]

    def network(self) -> nn.Module:
        """Build the network with the bundle's weights, in evaluation mode."""
        network = model_of(self.facts.architecture).build()
        network.load_state_dict(dict(self.weights))
        return network.eval().requires_grad_(False)


def load(path: Path) -> Bundle:
    """Read and verify a bundle; ``Permanent(BUNDLE_UNUSABLE)`` names every mistake."""
    found, mistakes = _read(path)
    if found is None or mistakes:
        raise Permanent(Reason.BUNDLE_UNUSABLE, f"{path.name}: " + "; ".join(mistakes))
    return found


def check(path: Path) -> list[str]:
    """Every mistake in a bundle, in words; empty when it is fit to load."""
    return _read(path)[1]


def write_bundle(path: Path, facts: Mapping[str, Any], weights: Mapping[str, Tensor], card: str) -> Bundle:
    """Write a bundle and load it back; ``facts`` is bundle.yaml without ``weights_sha256``."""
    path.mkdir(parents=True, exist_ok=True)
    encoded = save_safetensors({name: tensor.contiguous() for name, tensor in weights.items()})
    named = {**facts, "weights_sha256": hashlib.sha256(encoded).hexdigest()}
    (path / WEIGHTS).write_bytes(encoded)
    (path / MANIFEST).write_text(yaml.safe_dump(named, sort_keys=False, allow_unicode=True, width=100), "utf-8")
    (path / CARD).write_text(card, "utf-8")
    return load(path)


def bundle_sha256(contents: Mapping[str, bytes]) -> str:
    """Hash the listing that ``sha256sum`` prints of the files in the order of their names."""
    listing = "".join(f"{hashlib.sha256(contents[name]).hexdigest()}  {name}\n" for name in sorted(contents))
    return hashlib.sha256(listing.encode()).hexdigest()


def _read(path: Path) -> tuple[Bundle | None, list[str]]:
    """Every file is read once, so that what is verified is what is used."""
    try:
        names = sorted(entry.name for entry in path.iterdir())
        mistakes = [f"{name} is missing" for name in FILES if name not in names]
        mistakes += [f"{name} does not belong in a bundle" for name in names if name not in FILES]
        if mistakes:
            return None, mistakes
        contents = {name: (path / name).read_bytes() for name in FILES}
    except OSError as error:
        return None, [f"cannot be read ({error.strerror})"]
    facts, mistakes = _facts(contents[MANIFEST])
    if facts is None:
        return None, mistakes
    weights, wrong = _weights(facts, contents[WEIGHTS])
    mistakes += wrong
    return Bundle(path=path, facts=facts, sha256=bundle_sha256(contents), weights=weights), mistakes


def _facts(encoded: bytes) -> tuple[Manifest | None, list[str]]:
    try:
        facts = Manifest.model_validate(yaml.safe_load(encoded))
    except (yaml.YAMLError, UnicodeDecodeError):
        return None, [f"{MANIFEST}: not YAML"]
    except ValidationError as error:
        return None, [f"{MANIFEST}: {_where(m['loc'])}{m['msg']}" for m in error.errors(include_input=False)]
    ours = VERSIONS[facts.preprocessing.name]
    if facts.preprocessing.version != ours:
        return facts, [f"{MANIFEST}: preprocessing.version: {facts.preprocessing.version}, this program's is {ours}"]
    return facts, []


def _where(place: tuple[int | str, ...]) -> str:
    return ".".join(map(str, place)) + ": " if place else ""


def _weights(facts: Manifest, encoded: bytes) -> tuple[dict[str, Tensor], list[str]]:
    if hashlib.sha256(encoded).hexdigest() != facts.weights_sha256:
        return {}, [f"{WEIGHTS}: its sha256 is not the one {MANIFEST} names"]
    try:
        weights = load_safetensors(encoded)
    except SafetensorError:
        return {}, [f"{WEIGHTS}: not a safetensors file"]
    return weights, [f"{WEIGHTS}: {mistake}" for mistake in _misfits(facts, weights)]


def _misfits(facts: Manifest, weights: Mapping[str, Tensor]) -> list[str]:
    with torch.device("meta"):
        wanted = model_of(facts.architecture).build().state_dict()
    misfits = [f"{name} is missing" for name in wanted if name not in weights]
    misfits += [f"{name} is not part of the architecture" for name in weights if name not in wanted]
    for name in wanted.keys() & weights.keys():
        if weights[name].shape != wanted[name].shape:
            misfits.append(f"{name} has shape {list(weights[name].shape)}, not {list(wanted[name].shape)}")
        elif not torch.isfinite(weights[name]).all():
            misfits.append(f"{name} is not finite")
    return sorted(misfits)[:10]
