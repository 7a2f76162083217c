"""Hugging Face's GPT-2 folder: its config, its weights, its tokenizer and its model card."""
