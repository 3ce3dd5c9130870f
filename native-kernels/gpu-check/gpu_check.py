#!/usr/bin/env python3
"""Checks the CUDA backend on a GPU: results against float64, compute-sanitizer, and times beside PyTorch's attention.

Run it by run.sh of the folder that prepare.sh makes. It needs a driver and PyTorch; no Maven, no JDK, no network.
"""
import argparse
import ctypes
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
BLOCK = 128


def refuse(message):
    sys.exit(f"gpu-check: {message}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", default="correct,nvrtc,bench,sanitize", help="which of these to run (default: all)")
    parser.add_argument("--random", type=int, default=64, help="number of random cases (default %(default)s)")
    parser.add_argument("--seed", type=int, help="repeats the random cases of a run (default: another each time)")
    parser.add_argument("--seqlen", default="8192,16384,32768,65536,131072", help="lengths to measure at")
    parser.add_argument("--repeat", type=int, default=10, help="measured runs of each kind; the median counts")
    parser.add_argument("--paper", type=Path, help="a checkout of the authors' code, to measure their Triton kernel too")
    parser.add_argument("--work", type=Path, help="folder for arrays, 3 GiB (default: /dev/shm if there is room)")
    parser.add_argument("--json", type=Path, help="file to write all results to")
    parser.add_argument("--minutes", type=float, default=9.5, help="what would end later is left out, and said so")
    parser.add_argument("--self-test", action="store_true", help="check the checks themselves; needs no GPU")
    args = parser.parse_args()
    args.steps = args.steps.split(",")
    unknown = set(args.steps) - {"correct", "nvrtc", "sanitize", "bench"}
    if unknown:
        parser.error(f"--steps: expected correct, nvrtc, sanitize and bench, found {', '.join(sorted(unknown))}")
    try:
        args.seqlen = [int(n) for n in args.seqlen.split(",")]
    except ValueError:
        parser.error(f"--seqlen: expected numbers with commas between, found '{args.seqlen}'")
    if min(args.seqlen) < 1 or max(args.seqlen) > 1 << 20:
        parser.error("--seqlen: expected numbers from 1 to 1048576")
    if args.random < 0 or args.repeat < 1:
        parser.error("--random: expected at least 0; --repeat: at least 1")
    if args.paper and not (args.paper / "pbs_attn" / "src" / "pbs.py").is_file():
        parser.error(f"--paper: {args.paper} holds no pbs_attn/src/pbs.py")
    return args


def require_machine():
    """Ends with a message where the check cannot run."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        refuse(f"it runs on Linux on x86-64, and this is {platform.system()} on {platform.machine()}")
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        refuse("no NVIDIA driver: libcuda.so.1 is not to be found; install the driver, or start the container with its GPU")
    try:
        import torch
    except ImportError:
        refuse("PyTorch is not installed for this python3")
    if not torch.cuda.is_available():
        refuse(f"PyTorch {torch.__version__} sees no GPU; it has to be a CUDA build that the driver can run")


class Backend:
    """GpuCheck.java, the backend on jobs in folders."""

    def __init__(self, work):
        self.work = work
        self.calls = 0
        self.libraries = None  # a folder where the process is to look for libraries first

    def command(self, jobs, report, kernels):
        jars = ":".join(str(p) for p in sorted((HERE / "jars").glob("*.jar")))
        return [str(HERE / "jdk/bin/java"), "-Xmx6g", "-XX:MaxDirectMemorySize=4g",
                f"-Djava.library.path={HERE / 'lib'}", f"-DDJL_CACHE_DIR={self.work / 'cache'}", "-cp", jars,
                "io.pbsattn.backend.cuda.GpuCheck", str(jobs), str(report), kernels]  # fmt: skip

    def run(self, jobs, kernels="fatbin", prefix=(), timeout=400):
        """Runs jobs in one process; its report, and what the process printed."""
        self.calls += 1
        file, report = self.work / f"jobs{self.calls}.json", self.work / f"report{self.calls}.json"
        file.write_text(json.dumps(jobs))
        command = [*prefix, *self.command(file, report, kernels)]
        environment = dict(os.environ)
        if self.libraries:
            environment["LD_LIBRARY_PATH"] = f"{self.libraries}:{environment.get('LD_LIBRARY_PATH', '')}"
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
                                  errors="replace", timeout=timeout, env=environment, check=False)  # fmt: skip
        except subprocess.TimeoutExpired:
            return None, f"it did not end within {timeout:.0f} s", -1
        return json.loads(report.read_text()) if report.is_file() else None, done.stdout, done.returncode


def check_case(case, outcome, device):
    """Complaints about one job's results, and the largest (error, naive error) of its heads."""
    import torch

    import oracle
    from cases import read_back

    if case.expected_error:
        error = outcome.get("error") or "no error"
        return ([] if case.expected_error in error else [f"expected '{case.expected_error}', found: {error}"]), None
    if outcome.get("error"):
        return [outcome["error"]], None
    folder, (batch, heads, rows_q, dim), rows_k = outcome["folder"], case.q.shape, case.k.shape[2]
    blocks = (-(-rows_q // BLOCK), -(-rows_k // BLOCK))
    o = read_back(folder, "o", "int16", (batch, heads, rows_q, dim)).view(case.q.dtype).to(device)
    lse = read_back(folder, "lse", "float32", (batch, heads, rows_q)).to(device)
    order = read_back(folder, "indices", "int32", (batch, heads, rows_k)).to(device)
    scores = read_back(folder, "key_scores", "float32", (batch, heads, rows_k)).to(device)
    b_scores = read_back(folder, "block_scores", "float32", (batch, heads, *blocks)).to(device)
    mask = read_back(folder, "block_mask", "uint8", (batch, heads, *blocks)).to(device).bool()
    complaints, worst, kept, causal = [], (0.0, 0.0), 0, 0
    group = heads // case.k.shape[1]
    scale = oracle.scale_of(case.settings, dim)
    for b in range(batch):
        nq, nk = case.lengths_q[b], case.lengths_k[b]
        grid = oracle.Grid(nq, nk, case.settings, device)
        q = case.q[b, :, :nq].to(device)
        exact = []
        if grid.sparse:
            exact = [oracle.key_scores(q[h].double(), case.k[b, h // group, :nk].to(device).double(), grid, scale)
                     for h in range(heads)]  # fmt: skip
            if case.per_kv_head:
                means = torch.stack(exact).view(-1, group, grid.complete).mean(1)
                exact = list(means.repeat_interleave(group, 0))
        if not (o[b, :, nq:] == 0).all() or not torch.isneginf(lse[b, :, nq:]).all():
            complaints.append(f"sequence {b}: padding is not 0 with log-sum-exp -inf")
        for h in range(heads):
            k, v = (x[b, h // group, :nk].to(device) for x in (case.k, case.v))
            found = oracle.Found(
                order[b, h, :nk], scores[b, h, :nk], b_scores[b, h, : grid.q_blocks, : grid.k_blocks],
                mask[b, h, : grid.q_blocks, : grid.k_blocks], o[b, h, :nq], lse[b, h, :nq],
            )  # fmt: skip
            here = oracle.check_order(exact[h] if grid.sparse else None, found, grid, case.settings.segment)
            if not here:
                p = oracle.block_scores(q[h].double(), k[found.order.long()].double(), grid, scale)
                here += oracle.check_blocks(p, found, grid, case.settings)
                more, errors = oracle.check_output(q[h], k, v, found, grid, scale)
                here += more
                worst = max(worst, errors)
            complaints += [f"sequence {b}, head {h}: {c}" for c in here]
            kept += int(found.block_mask.sum())
            causal += grid.causal_blocks()
    if (outcome["keptBlocks"], outcome["causalBlocks"]) != (kept, causal):
        complaints.append(f"reports {outcome['keptBlocks']} of {outcome['causalBlocks']} blocks; the mask says {kept} of {causal}")
    if case.golden:
        expected = torch.from_numpy(case.golden["out"]).to(device).double()
        off = float((o.double() - expected).norm() / expected.norm())
        if off > 1e-2:
            complaints.append(f"output is off the golden one by {off:.1e} (relative Frobenius)")
    return complaints, worst


def run_cases(backend, cases, kernels="fatbin"):
    """Runs and checks cases; the number of those that failed."""
    cases = list(cases)
    jobs = [case.job(backend.work / f"case{n}") for n, case in enumerate(cases)]
    report, printed, status = backend.run(jobs, kernels)
    if report is None:
        print(printed)
        print(f"FAILED: the backend ended with status {status}")
        return len(cases)
    print(f"{report['gpu']}, driver for {report['driver']}, kernels from {report['kernels']}, "
          f"opened in {report['openSeconds']:.2f} s")  # fmt: skip
    failed, worst = 0, 0.0
    for case, outcome in zip(cases, report["jobs"]):
        complaints, errors = check_case(case, outcome, "cuda")
        if errors and errors[1]:
            worst = max(worst, errors[0] / errors[1])
        failed += bool(complaints)
        for complaint in complaints[:5]:
            print(f"FAILED: {case.name}: {complaint}")
        shutil.rmtree(outcome["folder"], ignore_errors=True)
    print(f"{len(cases) - failed} of {len(cases)} cases hold; errors up to {worst:.2f} times a naive version's")
    return failed


def sanitize(backend, deadline):
    """Runs small cases under compute-sanitizer's tools until a point in time; (failures, what was found)."""
    from cases import random_cases

    tool = shutil.which("compute-sanitizer") or shutil.which("/usr/local/cuda/bin/compute-sanitizer")
    if not tool:
        print("NOT RUN: compute-sanitizer is not on this machine")
        return 0, {"compute-sanitizer": "not on this machine"}
    # One of each head dimension and type is enough for a tool that slows a kernel a hundredfold.
    cases = [case for case in random_cases(8, 7) if case.q.numel() < 4_000_000]
    jobs = [case.job(backend.work / f"sanitize{n}") for n, case in enumerate(cases)]
    failed, found = 0, {}
    tools = ("memcheck", "racecheck", "synccheck", "initcheck")
    for n, name in enumerate(tools):
        seconds = (deadline - time.monotonic()) / (len(tools) - n)
        if seconds < 15:
            found[name] = "not run, for want of time (--minutes)"
            print(f"NOT RUN: compute-sanitizer {name}, for want of time (--minutes)")
            continue
        prefix = (tool, "--tool", name, "--error-exitcode", "9", "--target-processes", "all")
        report, printed, status = backend.run(jobs, prefix=prefix, timeout=seconds)
        summary = [line for line in printed.splitlines() if "ERROR SUMMARY" in line or "RACECHECK SUMMARY" in line]
        clean = status == 0 and report is not None and not any(o.get("error") for o in report["jobs"]) and bool(summary)
        found[name] = "clean" if clean else f"status {status}: {(summary or printed.splitlines() or ['nothing printed'])[-1]}"
        print(f"compute-sanitizer {name}: {found[name]}")
        if not clean:
            failed += 1
            print("\n".join(printed.splitlines()[:40]))
    return failed, found


def median_ms(run, repeat):
    """Median time of a function on the GPU, in ms."""
    import torch

    for _ in range(3):
        run()
    times = []
    for _ in range(repeat):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return statistics.median(times)


def sdpa_ms(q, k, v, repeat):
    """Times of PyTorch's dense attention by backend, in ms; text where one does not run."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    times = {}
    for name, kind in (("cudnn", SDPBackend.CUDNN_ATTENTION), ("flash", SDPBackend.FLASH_ATTENTION)):
        with sdpa_kernel([kind]):
            for repeated in (False, True):
                group = q.shape[1] // k.shape[1]
                kk, vv = (x.repeat_interleave(group, 1) for x in (k, v)) if repeated else (k, v)
                attention = torch.nn.functional.scaled_dot_product_attention
                try:
                    times[name] = median_ms(lambda: attention(q, kk, vv, is_causal=True, enable_gqa=not repeated), repeat)
                    break
                except (RuntimeError, TypeError) as e:
                    times[name] = str(e).split("\n")[0]
    return times


def paper_ms(folder, q, k, v, settings, repeat):
    """Time of the authors' operator, in ms; text where it does not run."""
    sys.path.insert(0, str(folder))
    try:
        from pbs_attn.src.pbs import permuted_block_sparse_attn_fwd

        group = q.shape[1] // k.shape[1]
        kk, vv = (x.repeat_interleave(group, 1) for x in (k, v))
        return median_ms(lambda: permuted_block_sparse_attn_fwd(
            q, kk, vv, BLOCK, settings.segment, settings.threshold, True, settings.force_first), repeat)  # fmt: skip
    except Exception as e:  # whatever the checkout lacks is reported, and the other columns stand
        return f"{type(e).__name__}: {e}".split("\n")[0]


def check_rows(case, outcome, rows=12):
    """Rows strewn over a long case against float64, over the kernel's own order and blocks."""
    import torch

    import oracle
    from cases import read_back

    _, heads, n, dim = case.q.shape
    blocks = -(-n // BLOCK)
    folder = outcome["folder"]
    o = read_back(folder, "o", "int16", (heads, n, dim)).view(case.q.dtype)
    lse = read_back(folder, "lse", "float32", (heads, n))
    order = read_back(folder, "indices", "int32", (heads, n))
    mask = read_back(folder, "block_mask", "uint8", (heads, blocks, blocks)).bool()
    group, scale = heads // case.k.shape[1], oracle.scale_of(case.settings, dim)
    worst = 0.0
    for at in range(rows):
        h, row = at * 7 % heads, (at + 1) * (n - 1) // rows
        k, v = (x[0, h // group].double() for x in (case.k, case.v))
        exact, exact_lse = oracle.attend_row(
            case.q[0, h, row].double(), k, v, order[h].to(k.device).long(), mask[h, row // BLOCK].to(k.device), row, scale)
        error = float((o[h, row].to(k.device).double() - exact).abs().max() / exact.abs().max())
        if not error < 2e-2 or not abs(float(lse[h, row]) - float(exact_lse)) < 1e-3:
            return f"head {h}, row {row}: output errs by {error:.1e} of its size, log-sum-exp {float(lse[h, row])} for {float(exact_lse)}"
        worst = max(worst, error)
    return worst


def bench(backend, args, deadline):
    """The table at the paper's densities; (failures, rows)."""
    import torch

    from cases import PAPER_DENSITIES, Case, LongInputs
    from oracle import Settings

    q_heads, kv_heads, dim = 32, 8, 128
    settings = Settings()
    print(f"{q_heads}/{kv_heads} heads of {dim}, bf16, batch 1; medians of {args.repeat}; ms; TFLOP/s of attend on kept blocks,"
          " of the others on the causal half")  # fmt: skip
    print("| tokens | density | permute | select | attend | all | call | TFLOP/s | cuDNN | flash | paper | x best dense | permute + select |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
    failed, rows, last = 0, [], 0.0
    for n in args.seqlen:
        begin = time.monotonic()
        if begin + 2.5 * last > deadline:
            print(f"NOT RUN: {n} tokens, for want of time (--minutes)")
            continue
        nearest = min(PAPER_DENSITIES, key=lambda x: abs(x - n))
        inputs = LongInputs(n, q_heads, kv_heads, dim, "cuda", torch.bfloat16)
        q, k, _ = inputs.tune(PAPER_DENSITIES[nearest], settings)
        v = inputs.v
        del inputs
        case = Case(f"{n} tokens", q, k, v, settings, trace=False, warm_up=3, repeat=args.repeat)
        traced = Case(f"{n} tokens", q, k, v, settings)
        folder = backend.work / f"bench{n}"
        job = case.job(folder)
        torch.cuda.empty_cache()
        # The trace in a run of its own, so that it takes no time of the measured ones.
        report, printed, status = backend.run([job, {**job, "trace": True, "warmUp": 0, "repeat": 1}])
        if report is None or any(o.get("error") for o in report["jobs"]):
            failed += 1
            print(f"FAILED: {n} tokens: {printed if report is None else [o.get('error') for o in report['jobs']]} ({status})")
            continue
        outcome = report["jobs"][0]
        checked = check_rows(traced, report["jobs"][1])
        if isinstance(checked, str):
            failed += 1
            print(f"FAILED: {n} tokens: {checked}")
        shutil.rmtree(folder, ignore_errors=True)
        ms = {s: 1e3 * statistics.median(t[s] for t in outcome["seconds"]) for s in ("PERMUTE", "SELECT", "ATTEND")}
        total = 1e3 * statistics.median(sum(t.values()) for t in outcome["seconds"])
        dense = sdpa_ms(q, k, v, args.repeat)
        paper = paper_ms(args.paper, q, k, v, settings, args.repeat) if args.paper else None
        best = min((t for t in dense.values() if isinstance(t, float)), default=None)
        dense_flops = 4.0 * n * n / 2 * dim * q_heads
        row = {
            "tokens": n, "density": outcome["keptBlocks"] / outcome["causalBlocks"], "ms": ms, "totalMs": total,
            "callMs": 1e3 * statistics.median(outcome["callSeconds"]), "kernel": outcome["attendKernel"],
            "headRanges": outcome["headRanges"], "workspaceBytes": outcome["workspaceBytes"],
            "attendTflops": 4.0 * BLOCK * BLOCK * dim * outcome["keptBlocks"] / ms["ATTEND"] / 1e9,
            "denseMs": dense, "denseTflops": {b: dense_flops / t / 1e9 for b, t in dense.items() if isinstance(t, float)},
            "paperMs": paper, "speedupOverBestDense": best / total if best else None,
            "overheadShare": (ms["PERMUTE"] + ms["SELECT"]) / total, "worstRowError": checked,
        }  # fmt: skip
        rows.append(row)
        print(f"| {n} | {row['density']:.3f} | {ms['PERMUTE']:.3f} | {ms['SELECT']:.3f} | {ms['ATTEND']:.3f} | {total:.3f} "
              f"| {row['callMs']:.3f} | {row['attendTflops']:.0f} | {cell(dense, row, 'cudnn')} | {cell(dense, row, 'flash')} "
              f"| {paper if not isinstance(paper, float) else f'{paper:.3f}'} "
              f"| {f'{best / total:.2f}' if best else '-'} | {100 * row['overheadShare']:.1f} % |", flush=True)  # fmt: skip
        last = time.monotonic() - begin
        del q, k, v, case, traced
        torch.cuda.empty_cache()
    return failed, rows


def cell(dense, row, name):
    time_ms = dense[name]
    return f"{time_ms:.3f} ({row['denseTflops'][name]:.0f})" if isinstance(time_ms, float) else time_ms


def work_folder(args):
    """Where arrays go: memory if it has room for the longest case, else the disk."""
    if args.work:
        args.work.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="gpu-check-", dir=args.work))
    shm = Path("/dev/shm")
    roomy = shm.is_dir() and shutil.disk_usage(shm).free > 5 << 30
    return Path(tempfile.mkdtemp(prefix="gpu-check-", dir=shm if roomy else None))


def main():
    args = arguments()
    if args.self_test:
        import self_test

        return self_test.main()
    require_machine()
    if not (HERE / "jdk/bin/java").is_file():
        refuse(f"{HERE} holds no jdk; make the folder by prepare.sh on a developer's machine")
    import torch

    from cases import golden, random_cases, refused_cases

    start = time.monotonic()
    seed = args.seed if args.seed is not None else int.from_bytes(os.urandom(3), "little")
    print(f"PyTorch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}; "
          f"random cases of seed {seed}")  # fmt: skip
    work = work_folder(args)
    backend, failed, results = Backend(work), 0, {"seed": seed, "gpu": torch.cuda.get_device_name(), "torch": torch.__version__}
    try:
        if "correct" in args.steps:
            print("\n== results against float64")
            failed += run_cases(backend, [*golden(HERE / "golden"), *random_cases(args.random, seed), *refused_cases()])
        if "nvrtc" in args.steps:
            print("\n== kernels compiled by NVRTC")
            folder = nvrtc_folder()
            if folder:
                backend.libraries = folder
                failed += run_cases(backend, random_cases(8, seed), "nvrtc")
            else:
                print("NOT RUN: libnvrtc.so.13 and libnvrtc.so.12 are not to be found")
        if "bench" in args.steps:
            print("\n== times")
            more, results["bench"] = bench(backend, args, start + 60 * args.minutes)
            failed += more
        if "sanitize" in args.steps:
            print("\n== compute-sanitizer")
            more, results["sanitizer"] = sanitize(backend, start + 60 * args.minutes)
            failed += more
    finally:
        shutil.rmtree(work, ignore_errors=True)
    results["failed"] = failed
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))
    print(f"\n{'FAILED: ' + str(failed) if failed else 'everything that ran holds'}; {time.monotonic() - start:.0f} s")
    return 1 if failed else 0


def nvrtc_folder():
    """Where NVRTC is: beside PyTorch, which brings one, or in the toolkit."""
    import torch

    places = [Path(torch.__file__).parents[1] / "nvidia", Path("/usr/local/cuda/lib64"), Path("/usr/lib/x86_64-linux-gnu")]
    for name in ("libnvrtc.so.13", "libnvrtc.so.12"):
        for place in places:
            found = next(place.rglob(name), None) if place.is_dir() else None
            if found:
                return found.parent
    return None


if __name__ == "__main__":
    sys.exit(main())
