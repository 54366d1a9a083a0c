"""Land in scenarios: the inference engine, the OpenAI-compatible server, the chat page and the terminal chat."""
