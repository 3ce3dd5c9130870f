"""The checks of gpu_check.py on results that are made here in PyTorch: right ones must pass, and each way to be wrong
must be named. Needs no GPU."""
import dataclasses
import json
import tempfile
from pathlib import Path

import torch

import oracle
from cases import Case, golden, random_cases, refused_cases
from gpu_check import HERE, check_case


def emulate(case, folder):
    """Writes what a right kernel would leave for a case; the outcome that GpuCheck.java would report."""
    case.job(folder)
    batch, heads, rows_q, dim = case.q.shape
    group, scale = heads // case.k.shape[1], oracle.scale_of(case.settings, dim)
    rows_k = case.k.shape[2]
    blocks = (-(-rows_q // oracle.BLOCK), -(-rows_k // oracle.BLOCK))
    o = torch.zeros(case.q.shape, dtype=case.q.dtype)
    lse = torch.full((batch, heads, rows_q), -torch.inf)
    order = torch.zeros(batch, heads, rows_k, dtype=torch.int32)
    scores = torch.zeros(batch, heads, rows_k)
    b_scores = torch.zeros(batch, heads, *blocks)
    mask = torch.zeros(batch, heads, *blocks, dtype=torch.uint8)
    kept = causal = 0
    for b in range(batch):
        nq, nk = case.lengths_q[b], case.lengths_k[b]
        grid = oracle.Grid(nq, nk, case.settings, "cpu")
        keys = [case.k[b, h // group, :nk].double() for h in range(heads)]
        queries = [case.q[b, h, :nq].double() for h in range(heads)]
        found = [oracle.key_scores(q, k, grid, scale) for q, k in zip(queries, keys)] if grid.sparse else []
        if case.per_kv_head and found:
            found = list(torch.stack(found).view(-1, group, grid.complete).mean(1).repeat_interleave(group, 0))
        for h in range(heads):
            here = oracle.permutation(found[h], grid, case.settings.segment) if grid.sparse else torch.arange(nk)
            p = oracle.block_scores(queries[h], keys[h][here], grid, scale)
            m = oracle.select(p, here, grid, case.settings)
            if not grid.sparse:
                m = grid.candidates | grid.own
            out, row_lse = oracle.attend(queries[h], keys[h], case.v[b, h // group, :nk].double(), here, m, grid, scale)
            o[b, h, :nq], lse[b, h, :nq] = out.to(o.dtype), row_lse.float()
            order[b, h, :nk] = here.int()
            if grid.sparse:
                scores[b, h, : grid.complete] = found[h].float()
            b_scores[b, h, : grid.q_blocks, : grid.k_blocks] = p.float()
            mask[b, h, : grid.q_blocks, : grid.k_blocks] = m.to(torch.uint8)
            kept += int(m.sum())
            causal += grid.causal_blocks()
    left = {"o": o.view(torch.int16), "lse": lse, "indices": order, "key_scores": scores, "block_scores": b_scores,
            "block_mask": mask}  # fmt: skip
    for name, array in left.items():
        array.numpy().tofile(folder / f"{name}.bin")
    return left, {"folder": str(folder), "keptBlocks": kept, "causalBlocks": causal}


def spoiled(left):
    """Ways to be wrong, each with a word of its complaint."""
    def change(name, do):
        copy = {k: v.clone() for k, v in left.items()}
        do(copy[name])
        return copy

    def swap(order):
        order[0, 0, [0, 255]] = order[0, 0, [255, 0]]

    def leave(order):
        order[0, 0, [0, 256]] = order[0, 0, [256, 0]]

    def double(order):
        order[0, 0, 0] = order[0, 0, 1]

    def off_by_a_row(o):
        o[0, 0, 1:] = o[0, 0, :-1].clone()

    def one_element(o):
        o.view(torch.bfloat16)[0, 1, 500, 3] += 0.25

    def nan(o):
        o.view(torch.bfloat16)[0, 1, 500, 3] = torch.nan

    def future(mask):
        mask[0, 0, 0, 5] = 1

    def own(mask):
        mask[0, 0, 5, 5] = 0

    def most(mask):
        mask[0, 0, 6, :4] = 0

    def scaled(scores):
        scores[0, 1, 7:9] *= 1.01

    def lse(x):
        x[0, 1, 300] += 0.01

    yield "wrong order", change("indices", swap)
    yield "segment", change("indices", leave)
    yield "no permutation", change("indices", double)
    yield "output errs", change("o", off_by_a_row)
    yield "output errs", change("o", one_element)
    yield "output errs", change("o", nan)
    yield "future", change("block_mask", future)
    yield "own segment is missing", change("block_mask", own)
    yield "missing", change("block_mask", most)
    yield "key scores err", change("key_scores", scaled)
    yield "log-sum-exp errs", change("lse", lse)


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "case"
        cases = [c for c in random_cases(24, 5) if c.q.numel() < 3_000_000]
        data = HERE / "golden"
        if not data.is_dir():  # in the sources, not in a prepared folder
            data = HERE.parents[1] / "pbs-attn-djl/src/test/resources/golden/operator"
        cases += [c for c in golden(data) if "1408" in c.name or "257" in c.name]
        for case in cases:
            json.dumps(case.job(folder))
            complaints, _ = check_case(case, emulate(case, folder)[1], "cpu")
            if complaints:
                failed += 1
                print(f"FAILED: right results do not pass: {case.name}: {complaints[:2]}")
        g = torch.Generator().manual_seed(3)
        q, k, v = (torch.randn(1, h, 900, 64, generator=g) for h in (2, 1, 1))
        k[:, :, ::9] += 2 * q.mean(1, keepdim=True)[:, :, :1]
        sparse = Case("spoiled", *(x.bfloat16() for x in (q, k, v)), oracle.Settings(threshold=0.6))
        left, outcome = emulate(sparse, folder)
        if check_case(sparse, outcome, "cpu")[0]:
            failed += 1
            print("FAILED: right results of the case to spoil do not pass")
        for word, arrays in spoiled(left):
            for name, array in arrays.items():
                array.numpy().tofile(folder / f"{name}.bin")
            complaints, _ = check_case(sparse, outcome, "cpu")
            if not any(word in c for c in complaints):
                failed += 1
                print(f"FAILED: '{word}' is not seen: {complaints[:3]}")
        for case in refused_cases():
            if not check_case(case, {"folder": "", "error": "something else"}, "cpu")[0]:
                failed += 1
                print(f"FAILED: {case.name}: any error will do")
            if check_case(dataclasses.replace(case), {"folder": "", "error": case.expected_error}, "cpu")[0]:
                failed += 1
                print(f"FAILED: {case.name}: the right error does not do")
    print(f"self-test of the checks: {'FAILED ' + str(failed) if failed else f'{len(cases)} right, 11 wrong results told apart'}")
    return 1 if failed else 0
