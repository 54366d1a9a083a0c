"""The Responses API, over the machinery of chat completions."""
