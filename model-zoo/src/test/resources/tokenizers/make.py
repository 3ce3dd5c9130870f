"""Writes small tokenizers; the training of Unigram and WordPiece does not give the same twice."""

import json

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

with open("../../../../../LICENSE") as file:
    LINES = file.read().splitlines()[:60] + [
        "the rain fell on the harbour and the boats stayed in. ",
        "don't you know, it's the last one! is it?",
        "naïve café résumé Ärger größer",
        "你好世界 今天天气很好",
        "こんにちは世界",
        "שלום עולם مرحبا بالعالم",
        "😀😀🎉🎉 👩‍👩‍👧 🇩🇪",
        "x = [1, 2, 3]\n\tfor (i = 0; i < 10; ++i) {}\n",
    ]


def save(tokenizer, name):
    with open(name + ".json", "w") as file:
        json.dump(json.loads(tokenizer.to_str()), file, separators=(",", ":"))


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512, special_tokens=["<|begin|>", "<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(LINES, trainer)
    return tokenizer


def sentencepiece():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    special = ["<unk>", "<s>", "</s>"]
    trainer = trainers.BpeTrainer(
        vocab_size=390, special_tokens=special + [f"<0x{b:02X}>" for b in range(256)], show_progress=False)
    tokenizer.train_from_iterator([line for line in LINES if line.isascii() or "ï" in line], trainer)
    state = json.loads(tokenizer.to_str())
    state["model"].update(byte_fallback=True, unk_token="<unk>", fuse_unk=True)
    state["added_tokens"] = [token for token in state["added_tokens"] if token["content"] in special]
    state["decoder"] = {
        "type": "Sequence",
        "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ],
    }
    return Tokenizer.from_str(json.dumps(state))


def metaspace():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=300, special_tokens=["<unk>", "</s>"], unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(LINES, trainer)
    return tokenizer


def wordpiece():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(cleanup=True)
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=["[UNK]", "[SEP]"], show_progress=False)
    tokenizer.train_from_iterator(LINES, trainer)
    return tokenizer


save(byte_level(), "byte-level")
save(sentencepiece(), "sentencepiece")
save(metaspace(), "metaspace")
save(wordpiece(), "wordpiece")
