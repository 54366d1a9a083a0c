"""Fields of peers' APIs that clients often send with the value that asks for what happens here anyway; any other is refused."""

from __future__ import annotations

from typing import Annotated

from firesteel.serve.openai.fields import Addressed, refuse_unless


class Idle(Addressed):
    """vLLM's, SGLang's and llama.cpp's fields of both completions APIs."""

    skip_special_tokens: Annotated[None, refuse_unless(True)] = None
    spaces_between_special_tokens: Annotated[None, refuse_unless(True)] = None
    no_stop_trim: Annotated[None, refuse_unless(False)] = None
    use_beam_search: Annotated[None, refuse_unless(False)] = None
    bad_words: Annotated[None, refuse_unless([])] = None
    detokenize: Annotated[None, refuse_unless(True)] = None
    return_token_ids: Annotated[None, refuse_unless(False)] = None
    return_tokens_as_token_ids: Annotated[None, refuse_unless(False)] = None
    cache_prompt: Annotated[None, refuse_unless(True)] = None


class IdleCompletion(Idle):
    """Those of completions; what the tokenizer puts around text is always there."""

    add_special_tokens: Annotated[None, refuse_unless(True)] = None


class IdleChat(Idle):
    """Those of chat; the template alone writes control tokens, and thoughts always leave beside the answer."""

    echo: Annotated[None, refuse_unless(False)] = None
    add_special_tokens: Annotated[None, refuse_unless(False)] = None
    include_reasoning: Annotated[None, refuse_unless(True)] = None
    separate_reasoning: Annotated[None, refuse_unless(True)] = None
    stream_reasoning: Annotated[None, refuse_unless(True)] = None
