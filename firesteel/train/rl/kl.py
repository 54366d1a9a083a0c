"""How far the policy is from a reference, estimated from the tokens that were drawn, in nats.

P learnt tokens
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Estimator = Callable[[Tensor, Tensor, Tensor], Tensor]


def k3(logp: Tensor, reference: Tensor, sampler: Tensor) -> Tensor:
    """ref/pi - log(ref/pi) - 1, [P] from log-probabilities [P] (DeepSeekMath eq. 4; Schulman 2020).

    Its mean is KL(pi || ref) for tokens that pi drew. Its gradient's mean is not the KL's, and it is off by more, the
    further the sampler is from pi.
    """
    return (reference - logp).expm1() - (reference - logp)


def unbiased(logp: Tensor, reference: Tensor, sampler: Tensor) -> Tensor:
    """The same times pi / pi_sampler, [P]: for tokens that the sampler drew, value and gradient are right in the mean.

    DeepSeek-V3.2 §3.1, "Unbiased KL Estimate". The gradient goes through the ratio, too.
    """
    return (logp - sampler).exp() * k3(logp, reference, sampler)


KL: dict[str, Estimator] = {"k3": k3, "unbiased": unbiased}
