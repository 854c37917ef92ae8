"""What a network is asked to do: the loss of a batch, where its last layer starts, and its raw estimate."""

from typing import Any

import torch
from torch import Tensor, nn

from domain.finding import Output
from inference.ecg12net import RANGE, STEPS
from inference.losses import BRLoss
from inference.training.recipe import Recipe, Training

HUBER_MMOL_L = 0.5
RAREST = 1e-3  # a threshold that few or all pass starts no surer than this

STEP = (RANGE[1] - RANGE[0]) / STEPS
THRESHOLDS = tuple(RANGE[0] + STEP * (step + 0.5) for step in range(STEPS))
"""The ordinal head's: half-way, so that the sum of what lies above them is the potassium to 0.05 mmol/L."""


class ArrestObjective(nn.Module):
    """BRLoss or plain cross-entropy on the logit; BRLoss's counts are part of the state."""

    def __init__(self, how: Training) -> None:
        super().__init__()
        self.recall = BRLoss(momentum=how.brloss_momentum, weighted=how.loss == "brloss")

    def start(self, network: Any, truth: Tensor) -> None:
        """Begin at the share of arrests among what is sampled."""
        with torch.no_grad():
            network.fc.bias.fill_(_logit(truth.float().mean()))

    def forward(self, network: nn.Module, inputs: tuple[Tensor, ...], truth: Tensor) -> Tensor:
        """A scalar."""
        return self.recall(network(*inputs)[0].float(), truth)  # type: ignore[no-any-return]

    def loss_of(self, raw: Tensor, truth: Tensor) -> Tensor:
        """Of estimates, for validation: plain cross-entropy, whatever the classes weigh."""
        return nn.functional.binary_cross_entropy_with_logits(raw, truth)


class PotassiumObjective(nn.Module):
    """Ordinal: mean cross-entropy of the 60 thresholds; or Huber's or the squared error. Each lead's own is added."""

    thresholds: Tensor

    def __init__(self, how: Training) -> None:
        super().__init__()
        self._kind, self._lead_loss = how.loss, how.lead_loss
        self.register_buffer("thresholds", torch.tensor(THRESHOLDS), persistent=False)

    def start(self, network: Any, truth: Tensor) -> None:
        """Begin at the share of truths above each threshold, or at their mean."""
        with torch.no_grad():
            if self._kind == "ordinal":
                network.head.bias.copy_(_logit((truth[:, None] > self.thresholds.cpu()).float().mean(0)))
            else:
                network.head.bias.fill_(float(truth.mean()))

    def forward(self, network: Any, inputs: tuple[Tensor, ...], truth: Tensor) -> Tensor:
        """A scalar."""
        whole, leads, _ = network.logits(*inputs)
        loss = self._error(whole.float(), truth)
        if self._lead_loss:
            loss = loss + self._lead_loss * self._error(leads.float(), truth[:, None].expand(leads.shape[:2]))
        return loss

    def loss_of(self, raw: Tensor, truth: Tensor) -> Tensor:
        """Of estimates in mmol/L, for validation."""
        return nn.functional.huber_loss(raw, truth, delta=HUBER_MMOL_L)

    def _error(self, outputs: Tensor, truth: Tensor) -> Tensor:
        """``[..., outputs]`` against ``[...]``."""
        if self._kind == "ordinal":
            above = (truth.unsqueeze(-1) > self.thresholds).to(outputs.dtype)
            return nn.functional.binary_cross_entropy_with_logits(outputs, above)
        if self._kind == "huber":
            return nn.functional.huber_loss(outputs.squeeze(-1), truth, delta=HUBER_MMOL_L)
        return nn.functional.mse_loss(outputs.squeeze(-1), truth)


Objective = ArrestObjective | PotassiumObjective


def objective_of(recipe: Recipe) -> Objective:
    """Choose by what is estimated."""
    return (ArrestObjective if recipe.output is Output.ARREST else PotassiumObjective)(recipe.training)


def _logit(share: Tensor) -> Tensor:
    share = share.clamp(RAREST, 1 - RAREST)
    return torch.log(share) - torch.log1p(-share)
