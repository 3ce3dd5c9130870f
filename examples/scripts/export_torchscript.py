#!/usr/bin/env python3
"""Exports a Hugging Face decoder model to TorchScript, for DJL with Permuted Block-Sparse Attention.

Needs torch and transformers, which the project itself never does:
    python3 examples/scripts/export_torchscript.py DIR model.pt
    python3 examples/scripts/export_torchscript.py DIR model.pt --padding
    python3 examples/scripts/export_torchscript.py DIR model.pt --kv-cache
The file takes input ids (batch, tokens) int64 and gives logits (batch, tokens, vocabulary), or with --last-logits those of the
last position (batch, 1, vocabulary), which saves memory and time with long prompts. With --padding it also takes a mask
(batch, tokens) int64, 1 for tokens and 0 for padding. With --kv-cache it takes, after the ids, the keys and values of the tokens
before, each (layers, batch, KV heads, tokens, head dim), of no tokens at the start, and gives logits, keys and values.
"""
import argparse

import torch
import transformers


class Plain(torch.nn.Module):
    """Ids to logits."""

    def __init__(self, model, positions):
        super().__init__()
        self.model = model
        self.positions = positions

    def forward(self, input_ids):
        return self.model(input_ids=input_ids, use_cache=False, logits_to_keep=self.positions).logits


class Padded(Plain):
    """Ids and their mask to logits."""

    def forward(self, input_ids, attention_mask):
        # Positions count the tokens, so that padding may stand before them too.
        positions = (attention_mask.cumsum(-1) - 1).clamp(min=0)
        return self.model(
            input_ids=input_ids, attention_mask=attention_mask, position_ids=positions, use_cache=False,
            logits_to_keep=self.positions,
        ).logits


class Cached(Plain):
    """Ids, keys and values to logits, keys and values."""

    def forward(self, input_ids, keys, values):
        cache = transformers.DynamicCache()
        for layer in range(self.model.config.num_hidden_layers):
            cache.update(keys[layer], values[layer], layer)
        output = self.model(
            input_ids=input_ids, past_key_values=cache, use_cache=True, logits_to_keep=self.positions
        )
        layers = output.past_key_values.layers
        return output.logits, torch.stack([l.keys for l in layers]), torch.stack([l.values for l in layers])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a folder with config.json and safetensors")
    parser.add_argument("output", help="the file to write, such as model.pt")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--last-logits", action="store_true", help="give the logits of the last position only")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--padding", action="store_true", help="take a mask for batches of different lengths")
    kind.add_argument("--kv-cache", action="store_true", help="take and give keys and values")
    args = parser.parse_args()
    dtype = getattr(torch, args.dtype)
    # "sdpa" leaves attention one operator of the graph, which is what is replaced later.
    model = transformers.AutoModelForCausalLM.from_pretrained(
        args.model, dtype=dtype, attn_implementation="sdpa"
    ).eval()
    config = model.config

    def inputs(batch, tokens, before):
        ids = torch.randint(0, config.vocab_size, (batch, tokens))
        if args.padding:
            mask = torch.ones_like(ids)
            mask[-1, : tokens // 4] = 0
            return ids, mask
        if args.kv_cache:
            head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
            shape = (config.num_hidden_layers, batch, config.num_key_value_heads, before, head_dim)
            return ids, torch.randn(shape, dtype=dtype), torch.randn(shape, dtype=dtype)
        return (ids,)

    module = (Padded if args.padding else Cached if args.kv_cache else Plain)(model, 1 if args.last_logits else 0)
    with torch.no_grad():
        traced = torch.jit.trace(module, inputs(2, 24, 8), check_trace=False)
        # A trace may have taken the example's sizes for constants: see whether other sizes give what the model gives.
        for batch, tokens, before in [(1, 300, 0), (3, 17, 41), (1, 1, 5)]:
            example = inputs(batch, tokens, before)
            expected, found = module(*example), traced(*example)
            expected, found = (expected[0], found[0]) if args.kv_cache else (expected, found)
            torch.testing.assert_close(found, expected)
    torch.jit.save(traced, args.output)
    calls = str(traced.inlined_graph).count("aten::scaled_dot_product_attention")
    print(f"{args.output}: {calls} attention calls for {config.num_hidden_layers} layers")


if __name__ == "__main__":
    main()
