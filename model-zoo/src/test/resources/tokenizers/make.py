import json
from tokenizers import Tokenizer, models, pre_tokenizers, decoders, normalizers, trainers
text = ["the rain fell on the harbour and the boats stayed in. ", "don't you know, it's the last one! is it?",
 "naïve café résumé Ärger größer", "你好世界 今天天气很好", "こんにちは世界", "שלום עולם مرحبا بالعالم", "😀😀🎉🎉 👩‍👩‍👧 🇩🇪", "x = [1, 2, 3]\n\tfor (i = 0; i < 10; ++i) {}\n"]+open("../../../../../LICENSE").read().splitlines()[:60]
out=""
def save(t,name):
    d=json.loads(t.to_str()); json.dump(d,open(out+name+".json","w"),ensure_ascii=True,separators=(",",":"))
# byte level, as GPT-2, Llama 3 and Qwen
t=Tokenizer(models.BPE()); t.pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=False); t.decoder=decoders.ByteLevel()
t.train_from_iterator(text, trainers.BpeTrainer(vocab_size=512,special_tokens=["<|begin|>","<|end|>"],initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),show_progress=False))
save(t,"byte-level")
# SentencePiece with byte fallback, as Llama 2, Mistral and Phi-3
t=Tokenizer(models.BPE()); 
t.normalizer=normalizers.Sequence([normalizers.Prepend("▁"),normalizers.Replace(" ","▁")])
special=["<unk>","<s>","</s>"]+["<0x%02X>"%b for b in range(256)]
t.train_from_iterator([s for s in text if s.isascii() or "ï" in s], trainers.BpeTrainer(vocab_size=390,special_tokens=special,show_progress=False))
d=json.loads(t.to_str()); 
d["model"].update(byte_fallback=True,unk_token="<unk>",fuse_unk=True)
d["added_tokens"]=[a for a in d["added_tokens"] if a["id"]<3]
d["decoder"]={"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]}
t=Tokenizer.from_str(json.dumps(d)); save(t,"sentencepiece")
for s in ["hello 你 the rain","😀 x"]:
    e=t.encode(s); print(e.tokens, repr(t.decode(e.ids)))
# Unigram with Metaspace, as T5 and its kin
t=Tokenizer(models.Unigram()); t.pre_tokenizer=pre_tokenizers.Metaspace(); t.decoder=decoders.Metaspace()
t.train_from_iterator(text, trainers.UnigramTrainer(vocab_size=300,special_tokens=["<unk>","</s>"],unk_token="<unk>",show_progress=False)); save(t,"metaspace")
e=t.encode("the rain 你好"); print(e.tokens, repr(t.decode(e.ids)))
t=Tokenizer(models.WordPiece(unk_token="[UNK]")); t.pre_tokenizer=pre_tokenizers.BertPreTokenizer(); t.decoder=decoders.WordPiece(cleanup=True)
t.train_from_iterator(text, trainers.WordPieceTrainer(vocab_size=300,special_tokens=["[UNK]","[SEP]"],show_progress=False)); save(t,"wordpiece")
e=t.encode("don't the rain, fell. 你好"); print(e.tokens, repr(t.decode(e.ids)))
