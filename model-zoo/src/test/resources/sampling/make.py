"""Writes transformers.json: what transformers' logits processors leave of random logits."""

import json

import torch
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

VOCAB_SIZE = 60


def case(name, *, repetition_penalty=1.0, presence_penalty=0.0, frequency_penalty=0.0, temperature=1.0, top_k=0,
         top_p=1.0, min_p=0.0, ties=False, scale=2.5):
    logits = torch.randn(VOCAB_SIZE) * scale
    if ties:
        logits = logits.round()
    prompt = torch.randint(0, VOCAB_SIZE, (12,)).tolist()
    answer = torch.randint(0, VOCAB_SIZE, (9,)).tolist() + [3, 3, 3]
    ids = torch.tensor([prompt + answer])
    scores = logits.clone()[None]
    if repetition_penalty != 1:
        scores = RepetitionPenaltyLogitsProcessor(repetition_penalty)(ids, scores)
    # As OpenAI's API defines them, on the answer; transformers has none.
    counts = torch.bincount(torch.tensor(answer), minlength=VOCAB_SIZE).float()
    scores = scores - frequency_penalty * counts - presence_penalty * (counts > 0).float()
    steps = LogitsProcessorList()
    if temperature != 1:
        steps.append(TemperatureLogitsWarper(temperature))
    if top_k:
        steps.append(TopKLogitsWarper(top_k))
    if top_p < 1:
        steps.append(TopPLogitsWarper(top_p))
    if min_p:
        steps.append(MinPLogitsWarper(min_p))
    probabilities = steps(ids, scores).double().softmax(-1)[0].tolist()
    return dict(
        name=name, repetition_penalty=repetition_penalty, presence_penalty=presence_penalty,
        frequency_penalty=frequency_penalty, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p,
        prompt=prompt, answer=answer, logits=logits.tolist(),
        probabilities=[float(f"{p:.9g}") for p in probabilities])


torch.manual_seed(7)
cases = [
    case("plain"),
    case("temperature", temperature=0.6),
    case("hot", temperature=1.7),
    case("top_k", top_k=7),
    case("top_k_ties", top_k=7, ties=True),
    case("top_k_beyond", top_k=200),
    case("top_p", top_p=0.8),
    case("top_p_tiny", top_p=0.05),
    case("top_p_zero", top_p=0.0),
    case("min_p", min_p=0.1),
    case("min_p_one", min_p=1.0),
    case("repetition", repetition_penalty=1.3),
    case("favoured", repetition_penalty=0.8),
    case("presence", presence_penalty=1.5),
    case("frequency", frequency_penalty=0.7),
    case("negative", presence_penalty=-1.0, frequency_penalty=-0.5),
    case("all", repetition_penalty=1.2, presence_penalty=0.5, frequency_penalty=0.3, temperature=0.8, top_k=20,
         top_p=0.9, min_p=0.05),
    case("top_p_after_top_k", top_k=5, top_p=0.7, scale=0.5),
    case("temperature_before_top_p", temperature=2.0, top_p=0.6),
    case("min_p_after_top_p", top_p=0.95, min_p=0.3),
]
with open("transformers.json", "w") as file:
    file.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
