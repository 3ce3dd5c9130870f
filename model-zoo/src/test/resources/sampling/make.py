import json, torch
from transformers.generation.logits_process import *
torch.manual_seed(7)
V=60
cases=[]
def case(name, penalty=1.0, presence=0.0, frequency=0.0, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0, ties=False, scale=2.5):
    logits=torch.randn(V)*scale
    if ties: logits=(logits*1).round()
    prompt=torch.randint(0,V,(12,)).tolist(); answer=torch.randint(0,V,(9,)).tolist()+[3,3,3]
    s=logits.clone()[None]
    procs=LogitsProcessorList()
    if penalty!=1.0: procs.append(RepetitionPenaltyLogitsProcessor(penalty))
    ids=torch.tensor([prompt+answer])
    s=procs(ids,s) if len(procs) else s
    if presence or frequency:  # as the OpenAI API defines them, on the answer
        counts=torch.bincount(torch.tensor(answer),minlength=V).float()
        s=s-frequency*counts-presence*(counts>0).float()
    warp=LogitsProcessorList()
    if temperature!=1.0: warp.append(TemperatureLogitsWarper(temperature))
    if top_k: warp.append(TopKLogitsWarper(top_k))
    if top_p<1: warp.append(TopPLogitsWarper(top_p))
    if min_p: warp.append(MinPLogitsWarper(min_p))
    s=warp(ids,s) if len(warp) else s
    p=s.double().softmax(-1)[0]
    cases.append(dict(name=name,repetition_penalty=penalty,presence_penalty=presence,frequency_penalty=frequency,temperature=temperature,top_k=top_k,top_p=top_p,min_p=min_p,
      prompt=prompt,answer=answer,logits=logits.tolist(),probabilities=[float(f"{x:.9g}") for x in p.tolist()]))
case("plain"); case("temperature",temperature=0.6); case("hot",temperature=1.7); case("top_k",top_k=7); case("top_k_ties",top_k=7,ties=True)
case("top_k_beyond",top_k=200); case("top_p",top_p=0.8); case("top_p_tiny",top_p=0.05); case("top_p_zero",top_p=0.0); case("min_p",min_p=0.1); case("min_p_one",min_p=1.0)
case("repetition",penalty=1.3); case("favoured",penalty=0.8); case("presence",presence=1.5); case("frequency",frequency=0.7); case("negative",presence=-1.0,frequency=-0.5)
case("all",penalty=1.2,presence=0.5,frequency=0.3,temperature=0.8,top_k=20,top_p=0.9,min_p=0.05)
case("top_p_after_top_k",top_k=5,top_p=0.7,scale=0.5); case("temperature_before_top_p",temperature=2.0,top_p=0.6)
case("min_p_after_top_p",top_p=0.95,min_p=0.3)
json.dump(cases,open("transformers.json","w"))
