#!/usr/bin/env python3
"""Prefill of a checkpoint by transformers and PyTorch, to stand beside './pbs bench prefill'.

Needs torch and transformers, which the project itself never does:
    python3 examples/scripts/transformers_prefill.py DIR --seqlen 2048,8192
It prints the seconds until the logits of the last position are there (the model's own KV cache is filled too), tokens a
second, and the peak of resident memory, which counts from the start of the process.
"""
import argparse
import resource
import time

import torch
import transformers


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a folder with config.json and safetensors")
    parser.add_argument("--seqlen", default="2048,8192", help="tokens, separated by commas")
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float32"])
    args = parser.parse_args()
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        args.model, dtype=getattr(torch, args.dtype), attn_implementation="sdpa"
    ).eval()
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, {torch.get_num_threads()} threads")

    def prefill(tokens):
        ids = torch.randint(0, model.config.vocab_size, (1, tokens))
        start = time.perf_counter()
        with torch.inference_mode():
            model(ids, use_cache=True, logits_to_keep=1)
        return time.perf_counter() - start

    prefill(512)
    for tokens in map(int, args.seqlen.split(",")):
        seconds = prefill(tokens)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{tokens:8d} tokens {seconds:9.2f} s {tokens / seconds:9.1f} tokens/s  peak {peak} MiB", flush=True)


if __name__ == "__main__":
    main()
