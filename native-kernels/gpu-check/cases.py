"""Inputs of the checks: golden cases, random ones, and long ones whose attention is as sparse as the paper reports."""
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from oracle import BLOCK, Grid, Settings, block_scores, key_scores, permutation, scale_of, select

TYPES = {"BF16": torch.bfloat16, "F16": torch.float16}

# The densities that the paper reports for Llama-3.1-8B.
PAPER_DENSITIES = {8192: 0.579, 16384: 0.485, 32768: 0.405, 65536: 0.287, 131072: 0.219}


@dataclass
class Case:
    name: str
    q: torch.Tensor  # (batch, heads, rows, head_dim) in the type of the case
    k: torch.Tensor
    v: torch.Tensor
    settings: Settings
    lengths_q: list = field(default_factory=list)
    lengths_k: list = field(default_factory=list)
    rows_first: bool = False
    per_kv_head: bool = False
    trace: bool = True
    fill: bool = False
    warm_up: int = 0
    repeat: int = 1
    expected_error: str = ""
    golden: dict = field(default_factory=dict)

    def __post_init__(self):
        batch = self.q.shape[0]
        self.lengths_q = self.lengths_q or [self.q.shape[2]] * batch
        self.lengths_k = self.lengths_k or [self.k.shape[2]] * batch

    def job(self, folder):
        """The job of GpuCheck.java, with its arrays written to the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in "qkv":
            array = getattr(self, name)
            array = array.transpose(1, 2) if self.rows_first else array
            array.contiguous().view(torch.int16).cpu().numpy().tofile(folder / f"{name}.bin")
        s = self.settings
        return {
            "folder": str(folder), "type": {v: k for k, v in TYPES.items()}[self.q.dtype],
            "numQHeads": self.q.shape[1], "numKvHeads": self.k.shape[1], "headDim": self.q.shape[3],
            "seqlenQ": self.q.shape[2], "seqlenK": self.k.shape[2],
            "lengthsQ": self.lengths_q, "lengthsK": self.lengths_k, "rowsFirst": self.rows_first,
            "segmentSize": s.segment, "threshold": s.threshold, "forceFirstBlock": s.force_first,
            "perKvHead": self.per_kv_head, "minLength": s.min_length, "softmaxScale": s.scale,
            "trace": self.trace, "fill": self.fill, "warmUp": self.warm_up, "repeat": self.repeat,
        }  # fmt: skip


def golden(folder):
    """The cases that the tests of the project use, in both types."""
    for entry in json.loads((folder / "cases.json").read_text()):
        if entry.get("block_size", BLOCK) != BLOCK or entry["head_dim"] not in (64, 96, 128, 256):
            continue
        arrays = dict(np.load(folder / f"{entry['name']}.npz"))
        settings = Settings(entry["segment_size"], entry["threshold"], entry["force_first_block"])
        for name, dtype in TYPES.items():
            q, k, v = (torch.from_numpy(arrays[x]).to(dtype) for x in "qkv")
            if not all(torch.isfinite(x).all() for x in (q, k, v)):
                continue  # beyond the range of float16
            yield Case(f"golden {entry['name']} {name}", q, k, v, settings, golden=arrays)


def random_cases(count, seed):
    """Odd lengths, groups, suffixes, padded batches, layouts and settings; strewn important keys."""
    generator = torch.Generator().manual_seed(seed)

    def pick(low, high):
        return int(torch.randint(low, high + 1, (1,), generator=generator))

    for n in range(count):
        kv_heads, group, batch = pick(1, 3), pick(1, 5), pick(1, 2)
        head_dim = (64, 96, 128, 256)[n % 4]
        rows_k = (pick(1, 600), pick(1, 2100), 128 * pick(1, 12) + pick(-1, 1))[pick(0, 2)]
        rows_q = rows_k if pick(0, 1) else pick(1, rows_k)
        dtype = TYPES[("BF16", "F16")[n // 4 % 2]]
        # No product of these reaches float16's largest number.
        q, k, v = (torch.randn(batch, h, r, head_dim, generator=generator)
                   for h, r in ((kv_heads * group, rows_q), (kv_heads, rows_k), (kv_heads, rows_k)))  # fmt: skip
        direction = torch.randn(1, kv_heads, 1, head_dim, generator=generator) * 0.2 * pick(0, 5)
        q += direction.repeat_interleave(group, 1)
        k += direction * (torch.rand(batch, kv_heads, rows_k, 1, generator=generator) < 0.1)
        lengths_q, lengths_k = [], []
        if pick(0, 1):
            lengths_q = [pick(1, rows_q) for _ in range(batch)]
            lengths_k = [pick(x, rows_k) for x in lengths_q]
        settings = Settings(
            segment=BLOCK * pick(1, 4), threshold=(0.3, 0.6, 0.9, 1.0)[pick(0, 3)], force_first=bool(pick(0, 1)),
            min_length=0 if pick(0, 3) else rows_k, scale=(0.0, 0.7 / math.sqrt(head_dim))[pick(0, 1)],
        )  # fmt: skip
        name = f"random {n}: {batch}x{kv_heads * group}/{kv_heads}x{rows_q}/{rows_k}x{head_dim}, {settings}"
        yield Case(name, q.to(dtype), k.to(dtype), v.to(dtype), settings, lengths_q, lengths_k,
                   rows_first=bool(pick(0, 1)), per_kv_head=bool(pick(0, 1)))  # fmt: skip


def refused_cases():
    """What has to end in a message: NaN and infinity wherever they stand, and a GPU without memory."""
    for which, value in (("q", math.nan), ("k", math.inf), ("v", -math.inf)):
        q, k, v = (torch.randn(2, h, 777, 64).to(torch.bfloat16) for h in (4, 2, 2))
        {"q": q, "k": k, "v": v}[which][1, 1, 431, 7] = value
        yield Case(f"{value} in {which}", q, k, v, Settings(),
                   expected_error=f"{which}: NaN or infinity in sequence 1, head 1, row 431")  # fmt: skip
    q, k, v = (torch.randn(1, h, 8192, 128).to(torch.bfloat16) for h in (8, 8, 8))
    yield Case("full GPU", q, k, v, Settings(), trace=False, fill=True, expected_error="CUDA_ERROR_OUT_OF_MEMORY")


class LongInputs:
    """Normal noise, and a direction for each KV head that every query and one key in eight has; its strength is
    found by bisection so that the density is the one that is asked for."""

    def __init__(self, rows, q_heads, kv_heads, head_dim, device, dtype, seed=20251021):
        g = torch.Generator(device).manual_seed(seed)
        self.dtype, self.group = dtype, q_heads // kv_heads
        self.noise_q = torch.randn(q_heads, rows, head_dim, generator=g, device=device).to(dtype)
        self.noise_k = torch.randn(kv_heads, rows, head_dim, generator=g, device=device).to(dtype)
        self.v = torch.randn(1, kv_heads, rows, head_dim, generator=g, device=device).to(dtype)
        self.direction = torch.randn(kv_heads, 1, head_dim, generator=g, device=device)
        segments = -(-rows // 256)
        weight = 2 * torch.rand(kv_heads, segments, 1, generator=g, device=device).repeat_interleave(256, 1)[:, :rows]
        self.weight = weight * (torch.rand(kv_heads, rows, 1, generator=g, device=device) < 0.125)

    def pulled(self, pull):
        q = self.noise_q + (self.direction * pull).to(self.dtype).repeat_interleave(self.group, 0)
        k = self.noise_k + (self.direction * self.weight * pull).to(self.dtype)
        return q[None], k[None]

    def tune(self, target, settings, steps=14):
        low, high = 0.0, 4.0
        for _ in range(steps):
            pull = (low + high) / 2
            q, k = self.pulled(pull)
            found = density(q, k, settings)
            if abs(found - target) < 0.003:
                break
            low, high = (pull, high) if found > target else (low, pull)
        return q, k, found


def density(q, k, settings, heads=8):
    """Kept blocks over causal blocks, of some heads in float32."""
    grid = Grid(q.shape[2], k.shape[2], settings, q.device)
    scale, group = scale_of(settings, q.shape[3]), q.shape[1] // k.shape[1]
    kept = 0
    chosen = range(0, q.shape[1], max(1, q.shape[1] // heads))
    for h in chosen:
        qh, kh = q[0, h].float(), k[0, h // group].float()
        order = permutation(key_scores(qh, kh, grid, scale), grid, settings.segment)
        kept += int(select(block_scores(qh, kh[order], grid, scale), order, grid, settings).sum())
    return kept / (grid.causal_blocks() * len(chosen))


def read_back(folder, name, dtype, shape):
    return torch.from_numpy(np.fromfile(Path(folder) / f"{name}.bin", dtype=dtype).reshape(shape))
