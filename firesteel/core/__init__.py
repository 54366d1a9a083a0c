"""What every room shares: recipes, artefacts, tokenizer, errors, logs. No torch."""
