#!/usr/bin/env python3
"""Writes the small TorchScript models of random weights that the tests of interception run.

Needs torch and transformers, which the project itself never does:
    python3 examples/scripts/make_torchscript_test_models.py pbs-attn-djl/src/test/resources/golden/torchscript
"""
import pathlib
import subprocess
import sys
import tempfile

import torch
import transformers


class Encoder(torch.nn.Module):
    """A bidirectional encoder: ids and their mask to hidden states."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


def main():
    folder = pathlib.Path(sys.argv[1])
    torch.manual_seed(7)
    bert = transformers.BertModel(
        transformers.BertConfig(
            vocab_size=64, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
            max_position_embeddings=512, attn_implementation="sdpa",
        ),
        add_pooling_layer=False,
    ).eval()
    ids = torch.randint(0, 64, (2, 40))
    with torch.no_grad():
        traced = torch.jit.trace(Encoder(bert), (ids, torch.ones_like(ids)), check_trace=False)
    torch.jit.save(traced, folder / "bert.pt")

    llama = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=64, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            head_dim=16, intermediate_size=64, max_position_embeddings=4096, initializer_range=0.3,
        )
    )
    with tempfile.TemporaryDirectory() as checkpoint:
        llama.save_pretrained(checkpoint)
        export = pathlib.Path(__file__).with_name("export_torchscript.py")
        for name, option in [("llama_padding.pt", "--padding"), ("llama_kv_cache.pt", "--kv-cache")]:
            subprocess.run([sys.executable, export, checkpoint, folder / name, option], check=True)


if __name__ == "__main__":
    main()
