"""How is the pilot model made? Generated text, a tokenizer, a small llama, GGUF, and the measure of it."""
