"""Permuted Block-Sparse Attention in float64, one head at a time, and the checks of a kernel's results against it.

Each stage is checked on what the kernel itself did before it: the order against the key scores, the blocks against the
block scores of the kernel's order, the output against exact attention over the kernel's order and blocks. So a tie that
falls to the other side is no error, and a wrong stage is named.
"""
import math
from dataclasses import dataclass

import torch

BLOCK = 128

# Scores that differ by less than this share are equal to arithmetic error.
SCORE_TOLERANCE = 1e-3
# A row's mass may miss the threshold, and a score may err, by this much.
MASS_TOLERANCE = 1e-3
LSE_TOLERANCE = 1e-4
# "No worse than twice a naive version of the same precision", as FlashAttention's tests have it.
ERROR_FACTOR = 2.0
# Outputs that are exact to the last bit of the naive version have no error to compare with.
ERROR_FLOOR = 1e-5


@dataclass
class Settings:
    segment: int = 256
    threshold: float = 0.9
    force_first: bool = True
    min_length: int = 0
    scale: float = 0.0  # 0: 1 / sqrt(head_dim)


class Grid:
    """Which key blocks a query block may look at (candidates), and which it must (its own segment)."""

    def __init__(self, nq, nk, settings, device):
        self.nq, self.nk, segment = nq, nk, settings.segment
        self.q_blocks, self.k_blocks = -(-nq // BLOCK), -(-nk // BLOCK)
        self.complete = nk // segment * segment
        self.sparse = nk > segment and nk >= settings.min_length
        i = torch.arange(self.q_blocks, device=device)
        j = torch.arange(self.k_blocks, device=device)
        first = nk - nq + i * BLOCK
        last = nk - nq + torch.clamp((i + 1) * BLOCK, max=nq) - 1
        start = j * BLOCK // segment * segment
        end = torch.clamp(start + segment, max=nk)
        single = nk <= segment
        self.candidates = (end[None] <= first[:, None]) & (not single)
        self.own = ((end[None] > first[:, None]) & (start[None] <= last[:, None])) | single

    def causal_blocks(self):
        return int((self.candidates | self.own).sum())


def scale_of(settings, head_dim):
    return settings.scale or 1 / math.sqrt(head_dim)


def key_scores(q, k, grid, scale):
    """Mean attention that the last queries give each key of the complete segments; no causal mask."""
    logits = q[-BLOCK:] @ k[: grid.complete].T * scale
    return torch.softmax(logits, -1).mean(0)


def permutation(scores, grid, segment):
    """Keys by falling score inside complete segments; the others stay."""
    order = torch.arange(grid.nk, device=scores.device)
    if grid.complete:
        by_segment = scores.view(-1, segment).argsort(dim=-1, descending=True, stable=True)
        base = torch.arange(0, grid.complete, segment, device=scores.device)[:, None]
        order[: grid.complete] = (by_segment + base).view(-1)
    return order


def pool(x):
    """Mean of each block of rows; a last partial block counts as padded with zeros."""
    rows = -(-x.shape[0] // BLOCK) * BLOCK
    padded = torch.zeros(rows, x.shape[1], dtype=x.dtype, device=x.device)
    padded[: x.shape[0]] = x
    return padded.view(-1, BLOCK, x.shape[1]).mean(1)


def block_scores(q, permuted_k, grid, scale):
    logits = (pool(q) @ pool(permuted_k).T * scale).masked_fill(~grid.candidates, -torch.inf)
    return torch.softmax(logits, -1).nan_to_num(0.0)


def select(scores, order, grid, settings):
    """Per row the shortest prefix of the falling scores that reaches the threshold, and the forced blocks."""
    if settings.threshold >= 1:
        mask = grid.candidates.clone()
    else:
        falling, index = scores.sort(dim=-1, descending=True, stable=True)
        total = falling.cumsum(-1)
        reached = total >= settings.threshold
        kept = (total - falling < settings.threshold) & reached.any(-1, keepdim=True)
        mask = torch.zeros_like(grid.candidates).scatter(-1, index, kept) & grid.candidates
    if settings.force_first:
        mask[:, int((order == 0).nonzero()[0, 0]) // BLOCK] = True
    return mask | grid.own


def visible(mask, order, grid):
    """(queries, keys in their new order): the kept blocks, and inside them no later position than the query's."""
    tokens = mask.repeat_interleave(BLOCK, 0)[: grid.nq].repeat_interleave(BLOCK, 1)[:, : grid.nk]
    position = torch.arange(grid.nk - grid.nq, grid.nk, device=order.device)
    return tokens & (order[None] <= position[:, None])


def attend(q, k, v, order, mask, grid, scale):
    """Exact attention over the kept blocks: output and log-sum-exp."""
    logits = (q @ k[order].T * scale).masked_fill(~visible(mask, order, grid), -torch.inf)
    return torch.softmax(logits, -1) @ v[order], torch.logsumexp(logits, -1)


def attend_naively(q, k, v, order, mask, grid, scale):
    """The same in the precision of q: what one would write with plain matrix products."""
    logits = (q @ k[order].T * scale).masked_fill(~visible(mask, order, grid), -torch.inf)
    return torch.softmax(logits, -1) @ v[order]


def attend_row(q_row, k, v, order, kept, position, scale):
    """One query of a long sequence; `kept` is its row of blocks."""
    columns = torch.arange(order.shape[0], device=order.device)
    columns = columns[kept[columns // BLOCK] & (order <= position)]
    rows = order[columns]
    logits = k[rows] @ q_row * scale
    return torch.softmax(logits, -1) @ v[rows], torch.logsumexp(logits, -1)


@dataclass
class Found:
    """What a kernel left of one head: order (nk), scores (nk), block scores and mask (q_blocks, k_blocks), o, lse."""

    order: torch.Tensor
    key_scores: torch.Tensor
    block_scores: torch.Tensor
    block_mask: torch.Tensor
    o: torch.Tensor
    lse: torch.Tensor


def check_order(scores, found, grid, segment):
    """Complaints about the order of a head whose exact key scores are given; None for a head that is not sparse."""
    order = found.order.long()
    identity = torch.arange(grid.nk, device=order.device)
    if scores is None:
        return [] if torch.equal(order, identity) else ["keys of a dense sequence were moved"]
    complaints = []
    if not torch.equal(order.sort().values, identity):
        return ["the order is no permutation"]
    if not torch.equal(order[: grid.complete] // segment, identity[: grid.complete] // segment):
        complaints.append("keys left their segment")
    if not torch.equal(order[grid.complete :], identity[grid.complete :]):
        complaints.append("keys of the incomplete segment were moved")
    if grid.complete:
        there = scores[order[: grid.complete]].view(-1, segment)
        rising = there[:, 1:] > there[:, :-1] * (1 + SCORE_TOLERANCE)
        if rising.any():
            complaints.append(f"{int(rising.sum())} neighbouring keys stand in the wrong order")
        error = (found.key_scores[: grid.complete] - scores).abs() / scores.clamp(min=1e-30)
        counted = scores > 1e-30
        if counted.any() and float(error[counted].max()) > SCORE_TOLERANCE:
            complaints.append(f"key scores err by {float(error[counted].max()):.1e} of their size")
    return complaints


def check_blocks(scores, found, grid, settings):
    """Complaints about the blocks that were kept; exact scores of the kernel's own order are given."""
    mask, complaints = found.block_mask, []
    if not mask[grid.own].all():
        complaints.append("a block of the own segment is missing")
    first = int((found.order == 0).nonzero()[0, 0]) // BLOCK
    extra = mask & ~grid.candidates & ~grid.own
    if settings.force_first:
        if not mask[:, first].all():
            complaints.append("the first token's block is missing")
        extra[:, first] = False
    if extra.any():
        complaints.append(f"{int(extra.sum())} blocks are kept that lie in the future")
    if not grid.sparse or settings.threshold >= 1:
        if not mask[grid.candidates].all():
            complaints.append("a candidate is missing though every block is to be kept")
        return complaints
    error = float((found.block_scores - scores).abs().max())
    if error > MASS_TOLERANCE:
        complaints.append(f"block scores err by {error:.1e}")
    for i in range(grid.q_blocks):
        if not bool(grid.candidates[i].any()):
            continue
        kept = mask[i] & grid.candidates[i]
        without_first = kept.clone()
        if settings.force_first:
            without_first[first] = False
        if not (is_prefix(scores[i], kept, grid.candidates[i], settings.threshold)
                or is_prefix(scores[i], without_first, grid.candidates[i], settings.threshold)):
            complaints.append(f"row {i} keeps other blocks than the shortest prefix")
            break
    return complaints


def is_prefix(scores, kept, candidates, threshold):
    mass = float(scores[kept].sum())
    if not kept.any():
        # A row whose sum does not reach the threshold selects nothing.
        return threshold > 1 - MASS_TOLERANCE
    smallest = float(scores[kept].min())
    dropped = scores[candidates & ~kept]
    in_order = dropped.numel() == 0 or float(dropped.max()) <= smallest + MASS_TOLERANCE
    return in_order and mass >= threshold - MASS_TOLERANCE and mass - smallest < threshold + MASS_TOLERANCE


def check_output(q, k, v, found, grid, scale):
    """Complaints about output and log-sum-exp over the kernel's order and blocks, and (error, naive error)."""
    order, mask = found.order.long(), found.block_mask
    exact, lse = attend(q.double(), k.double(), v.double(), order, mask, grid, scale)
    naive = attend_naively(q, k, v, order, mask, grid, scale).double()
    error = float((found.o.double() - exact).abs().max())
    naive_error = float((naive - exact).abs().max())
    complaints = []
    if not torch.isfinite(found.o).all() or error > ERROR_FACTOR * naive_error + ERROR_FLOOR:
        complaints.append(f"output errs by {error:.2e}, a naive version by {naive_error:.2e}")
    lse_error = float((found.lse.double() - lse).abs().max()) / max(1.0, float(lse.abs().max()))
    if not lse_error <= LSE_TOLERANCE:
        complaints.append(f"log-sum-exp errs by {lse_error:.1e}")
    return complaints, (error, naive_error)
