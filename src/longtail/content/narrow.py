"""Matrix products in bf16 without doing the same work for every block again.

Autocast rounds the weights of a product each time it is made, and oneDNN brings them into its own order each time. In a
block of some 100 tokens that is a good part of the time. Here both are done once; the numbers stay what they were.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from longtail.core.extras import require


def narrow(model: Any, *, pack: bool) -> None:
    """Round the weights of all linear layers of a torch module to bf16, in place.

    Args:
        model: to be run under autocast to bf16.
        pack: whether weights are also kept in oneDNN's order, on a processor. It is left where this version of torch
            has no such product, or one that gives other bits.
    """
    torch = require("torch", extra="text", purpose="Reading text")
    operations = torch.ops.mkldnn
    # Private to torch, so they may go: then products are made as before.
    known = all(hasattr(operations, name) for name in ("_linear_pointwise", "_reorder_linear_weight"))
    for layer in model.modules():
        if type(layer) is torch.nn.Linear:
            layer.to(torch.bfloat16)
            if pack and known:
                _pack(layer)


def same_rows(model: Any, whole: int, part: int) -> bool:
    """Whether the linear layers of a torch module give rows alone the bits that they have among more.

    Libraries choose the kernel of a product by its shape, and kernels may add up in different orders. This looks, at
    one layer of each shape; false where it sees a difference, and where there are no such layers.

    Args:
        model: as it will be run.
        whole, part: numbers of rows, ``part`` of them alone and the first of ``whole``.
    """
    torch = require("torch", extra="text", purpose="Reading text")
    layers = {
        (layer.in_features, layer.out_features, layer.weight.dtype): layer
        for layer in model.modules()
        if type(layer) is torch.nn.Linear
    }
    with torch.inference_mode():
        for (width, _, dtype), layer in layers.items():
            rows = _probe(-(-whole // 256) * 256, width)[:whole].to(dtype)
            if not torch.equal(layer(rows)[:part], layer(rows[:part].clone())):
                return False
    return bool(layers)


@lru_cache(maxsize=8)
def _probe(rows: int, width: int) -> Any:
    """Numbers of all sizes and signs, ``(rows, width) float32``, whose sums tell the order they were made in."""
    torch = require("torch", extra="text", purpose="Reading text")
    return torch.sin(torch.arange(rows * width)).view(rows, width)


def _pack(layer: Any) -> None:
    torch = require("torch", extra="text", purpose="Reading text")
    operations, functional = torch.ops.mkldnn, torch.nn.functional
    with torch.inference_mode():
        try:
            packed = operations._reorder_linear_weight(layer.weight.detach(), 128)
            probe = _probe(128, layer.in_features).to(torch.bfloat16)
            found = operations._linear_pointwise(probe, packed, layer.bias, "none", [], "")
            if not torch.equal(found, functional.linear(probe, layer.weight, layer.bias)):
                return
        except (RuntimeError, NotImplementedError, TypeError):  # a build without oneDNN, another signature
            return

    def forward(rows: Any) -> Any:
        return operations._linear_pointwise(rows.to(torch.bfloat16), packed, layer.bias, "none", [], "")

    layer.forward = forward
