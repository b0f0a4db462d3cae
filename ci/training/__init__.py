"""From an export to an adapter that can be served: train, convert, merge, check.

The way of the data: `dataset` reads and judges the rows, `base` finds the model, `recipe` writes the script, `train` runs it and
publishes what came out, `convert` makes a GGUF adapter of it (`lora` reads it, `header` the base), `merge` a whole model, and
`integrity` says whether the result is what was trained. Torch, transformers, peft and llama.cpp are loaded only in child processes;
numpy, safetensors and gguf only in the functions that need them.
"""
