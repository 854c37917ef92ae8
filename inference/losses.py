"""EIANet's training loss."""

import torch
from torch import Tensor, nn


class BRLoss(nn.Module):
    """Binary recall loss: each sample weighs 1 - recall of its own class (EIANet eq. 1).

    The recall is estimated from moving counts of true positives and samples per class, not from moving ratios: a batch
    of 32 holds about 13 positives. It is smoothed, 1 - recall = (FN + 1) / (N + 1), so that a class without a
    mistake still counts. A class absent from a batch leaves its counts alone. ``momentum``: what is kept of the
    counts per batch. ``weighted=False`` is plain cross-entropy: on the paper's external set attention alone was ahead.
    The state moves in training mode only.
    """

    hits: Tensor
    samples: Tensor

    def __init__(self, *, momentum: float = 0.9, weighted: bool = True) -> None:
        super().__init__()
        self.momentum = momentum
        self.weighted = weighted
        self.register_buffer("hits", torch.zeros(2))
        self.register_buffer("samples", torch.zeros(2))

    def forward(self, logit: Tensor, label: Tensor) -> Tensor:
        """Mean loss of ``logit [N]`` against ``label [N]`` (0 or 1), a scalar; finite for any finite logit."""
        loss = nn.functional.binary_cross_entropy_with_logits(logit, label.to(logit.dtype), reduction="none")
        if not self.weighted:
            return loss.mean()
        if self.training:
            self._count(logit.detach(), label)
        return (self.weights()[label.long()].to(loss.dtype) * loss).mean()

    def weights(self) -> Tensor:
        """``1 - recall`` of class 0 and of class 1, ``[2]``."""
        return (self.samples - self.hits + 1) / (self.samples + 1)

    def _count(self, logit: Tensor, label: Tensor) -> None:
        guess = logit > 0
        for c in (0, 1):
            mine = label.long() == c
            if mine.any():
                self.hits[c] = self.momentum * self.hits[c] + (guess[mine] == bool(c)).sum()
                self.samples[c] = self.momentum * self.samples[c] + mine.sum()
