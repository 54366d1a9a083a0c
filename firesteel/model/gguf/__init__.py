"""GGUF, llama.cpp's model files: keys, tensors and tokenizer of one, in; where everything stands in it, for the writer."""
