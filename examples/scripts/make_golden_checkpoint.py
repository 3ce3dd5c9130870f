#!/usr/bin/env python3
"""Makes the small random-weight checkpoints that the model zoo is tested with, and what transformers computes from them.

    make_golden_checkpoint.py FOLDER [CASE ...]      (without CASE: all of them)

Each case becomes a folder with config.json as transformers 5 writes it, config.transformers4.json in the form of earlier
versions, safetensors files, and expected.npz: input_ids (2, 300) -> logits_last and logits_row0_every20, and prompt_ids
(1, 40) -> greedy_ids (24 tokens, EOS ignored), computed in float32 from the stored weights; bfloat16_error is how far
transformers' own logits in bfloat16 are from these, relative to the largest magnitude. Needs torch, transformers 5 and
numpy. `./pbs verify checkpoints FOLDER` compares.
"""

import copy
import json
import pathlib
import sys

import numpy as np
import torch
import transformers

TOKENS = 300
PROMPT = 40
ANSWER = 24
SHAPE = dict(
    vocab_size=256,
    hidden_size=64,
    intermediate_size=128,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=1024,
    initializer_range=0.1,
    bos_token_id=0,
    eos_token_id=1,
    pad_token_id=2,
    use_cache=True,
)


def factors(low, high, count):
    return [round(float(x), 4) for x in np.linspace(low, high, count)]


# Each: the configuration, the type that the weights are stored in, and the largest size of a shard.
CASES = {
    # Multi-head attention with heads of 32, and every bias that there is.
    "llama_biases_mha": (
        transformers.LlamaConfig(
            **{**SHAPE, "num_attention_heads": 2}, attention_bias=True, mlp_bias=True
        ),
        torch.float32,
        None,
    ),
    "llama_linear_rope": (
        transformers.LlamaConfig(
            **SHAPE,
            tie_word_embeddings=True,
            rope_parameters={"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0},
        ),
        torch.float32,
        None,
    ),
    # The greedy tokens cross the 48 positions after which the frequencies change with the length.
    "llama_dynamic_rope": (
        transformers.LlamaConfig(
            **{**SHAPE, "max_position_embeddings": 48},
            rope_parameters={"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 8.0},
        ),
        torch.bfloat16,
        None,
    ),
    "qwen2_yarn": (
        transformers.Qwen2Config(
            **{**SHAPE, "max_position_embeddings": 64},
            rope_parameters={
                "rope_type": "yarn",
                "rope_theta": 1000000.0,
                "factor": 8.0,
                "original_max_position_embeddings": 64,
            },
        ),
        torch.bfloat16,
        None,
    ),
    # As Phi-4-mini: part of each head turns. The greedy tokens cross the 50 positions of the short factors.
    "phi3_longrope_window": (
        transformers.Phi3Config(
            **{**SHAPE, "num_attention_heads": 2, "num_key_value_heads": 1},
            tie_word_embeddings=True,
            original_max_position_embeddings=50,
            sliding_window=100,
            rope_parameters={
                "rope_type": "longrope",
                "rope_theta": 10000.0,
                "partial_rotary_factor": 0.75,
                "short_factor": factors(1.0, 1.5, 12),
                "long_factor": factors(1.2, 24.0, 12),
            },
        ),
        torch.bfloat16,
        None,
    ),
    # A window in some layers, as layer_types has it.
    "ministral_layer_types": (
        transformers.MinistralConfig(
            **{**SHAPE, "num_hidden_layers": 3, "num_key_value_heads": 1},
            head_dim=32,
            sliding_window=50,
            layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        ),
        torch.float16,
        None,
    ),
    # Heads of 32 apart from the hidden size, and a window from the second layer on.
    "qwen3_window_shards": (
        transformers.Qwen3Config(
            **{**SHAPE, "num_hidden_layers": 3},
            head_dim=32,
            tie_word_embeddings=True,
            use_sliding_window=True,
            sliding_window=40,
            max_window_layers=1,
        ),
        torch.bfloat16,
        "100KB",
    ),
}


def random_model(config, seed):
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            # A fresh model has norms of 1 and biases of 0, with which leaving them out would go unseen.
            if name.endswith("bias"):
                tensor.normal_(0, 0.2)
            elif "norm" in name:
                tensor.normal_(1, 0.2)
    return model


def older_form(config):
    """config.json as transformers 4 wrote it."""
    older = copy.deepcopy(config)
    rope = older.pop("rope_parameters")
    older["rope_theta"] = rope.pop("rope_theta")
    if "partial_rotary_factor" in rope:
        older["partial_rotary_factor"] = rope.pop("partial_rotary_factor")
    if older["model_type"] == "phi3":
        rope.pop("original_max_position_embeddings", None)
    kind = rope.pop("rope_type")
    older["rope_scaling"] = None if kind == "default" else {"type": kind, **rope}
    older["torch_dtype"] = older.pop("dtype")
    if "max_window_layers" in older:  # which says the same
        older.pop("layer_types")
    older["transformers_version"] = "4.44.0"
    return older


def load(folder, dtype, config=None):
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, config=config, dtype=dtype, attn_implementation="eager"
    )
    return model.eval()


@torch.no_grad()
def logits_of(model, ids):
    logits = model(ids).logits.float()
    return logits[:, -1], logits[0, ::20]


def error(found, expected):
    return max(float((f - e).abs().max() / e.abs().max()) for f, e in zip(found, expected))


@torch.no_grad()
def greedy(model, prompt):
    model.generation_config.eos_token_id = None
    # Where the factors of longrope change, transformers 5.18 drops the cache and then reads the last token only; without
    # a cache it reads all of the text, as it means to.
    use_cache = model.config.rope_parameters["rope_type"] != "longrope"
    result = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        do_sample=False,
        use_cache=use_cache,
        max_new_tokens=ANSWER,
        output_scores=True,
        return_dict_in_generate=True,
    )
    top = torch.stack(result.scores)[:, 0].topk(2).values
    margin = float(((top[:, 0] - top[:, 1]) / top.abs().max()).min())
    assert margin > 2e-3, f"two tokens nearly tie ({margin:.1e}): take another seed"
    return result.sequences[:, prompt.shape[1] :]


def make(name, folder, seed):
    config, dtype, shard = CASES[name]
    size = {"max_shard_size": shard} if shard else {}
    random_model(config, seed).to(dtype).save_pretrained(folder, **size)

    written = json.loads((folder / "config.json").read_text())
    older = folder / "config.transformers4.json"
    older.write_text(json.dumps(older_form(written), indent=2) + "\n")

    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, config.vocab_size, (2, TOKENS), generator=generator)
    prompt = torch.randint(3, config.vocab_size, (1, PROMPT), generator=generator)
    model = load(folder, torch.float32)
    expected = logits_of(model, ids)
    older_config = transformers.AutoConfig.from_pretrained(older)
    same = error(logits_of(load(folder, torch.float32, older_config), ids), expected)
    assert same < 1e-5, f"{name}: the older form of the configuration gives something else ({same:.1e})"
    bfloat16_error = error(logits_of(load(folder, torch.bfloat16), ids), expected)
    np.savez(
        folder / "expected.npz",
        input_ids=ids.numpy(),
        logits_last=expected[0].numpy(),
        logits_row0_every20=expected[1].numpy(),
        prompt_ids=prompt.numpy(),
        greedy_ids=greedy(model, prompt).numpy(),
        bfloat16_error=np.array([bfloat16_error], dtype=np.float32),
    )
    print(f"{name}: {sum(f.stat().st_size for f in folder.iterdir())} bytes, bfloat16 {bfloat16_error:.4f}")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    names = sys.argv[2:] or list(CASES)
    for name in names:
        if name not in CASES:
            sys.exit(f"no case '{name}'; there are {', '.join(CASES)}")
        for seed in range(7, 27):
            try:
                make(name, folder / name, seed)
                break
            except AssertionError as e:
                if "nearly tie" not in str(e):
                    raise
        else:
            sys.exit(f"{name}: every seed ties")


if __name__ == "__main__":
    main()
