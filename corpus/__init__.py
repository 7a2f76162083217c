"""The contract between the stages: schemas, shards, manifests, tokenizer and token order."""
