"""OpenAI's Responses API over the chat machinery: a request becomes a chat request, its deltas become items and events.

POST /v1/responses                     a response, whole or as events; GET and DELETE /v1/responses/{id} for one that was stored
GET  /v1/responses/{id}/input_items    all items that it answered, earlier turns of its conversation included
POST /v1/responses/input_tokens        how many tokens a request would have

Responses are stored in memory (responses/store.py): the newest, for their key's owner alone, until the server stops; what the
guard redacts on its way to the model is stored as it was sent. `store: false` keeps nothing; a response that failed is not kept.
A thought is given as it is, as an item of type reasoning, and may be sent back as one.

Not here, and refused by name: tools other than functions, images, files and audio, background and cancel, compact, conversations,
prompt templates, item references, truncation, summaries of thoughts, encrypted thoughts, replay of a stored stream.
"""

from __future__ import annotations

import time
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool

from firesteel.serve.openai.chat_completions import ChatCompletions
from firesteel.serve.openai.faults import ApiError
from firesteel.serve.openai.responses.exchange import ResponseExchange
from firesteel.serve.openai.responses.items import Record
from firesteel.serve.openai.responses.protocol import Conversation, CountRequest, GetQuery, ListQuery, ResponseRequest
from firesteel.serve.openai.responses.store import Kept, Store
from firesteel.serve.openai.responses.translation import chat_request, renamed
from firesteel.serve.openai.service import Service, json_response, route
from firesteel.serve.openai.stream import EventStream

Q = TypeVar("Q", bound=BaseModel)


def add_routes(app: FastAPI, service: Service) -> None:
    """The endpoints of the Responses API."""
    responses = Responses(service)
    app.state.responses = responses.store

    async def create(body: ResponseRequest, request: Request) -> Response:
        return await responses.create(service.addressed(body), request)

    async def count(body: CountRequest, request: Request) -> Response:
        return await responses.count(service.addressed(body), _owner(request))

    route(app, "/responses", create, ("POST",))
    route(app, "/responses/input_tokens", count, ("POST",))
    _add_stored(app, responses)
    _add_refused(app, responses)


def _add_stored(app: FastAPI, responses: Responses) -> None:
    async def retrieve(response_id: str, request: Request) -> Response:
        _query(GetQuery, request)
        return Response(responses.stored(response_id, request).response, media_type="application/json")

    async def delete(response_id: str, request: Request) -> Response:
        responses.stored(response_id, request)
        responses.store.delete(response_id, _owner(request))
        return json_response({"id": response_id, "object": "response", "deleted": True})

    async def input_items(response_id: str, request: Request) -> Response:
        query = _query(ListQuery, request)
        return json_response(_page(responses.stored(response_id, request).before(), query))

    route(app, "/responses/{response_id}", retrieve)
    route(app, "/responses/{response_id}", delete, ("DELETE",))
    route(app, "/responses/{response_id}/input_items", input_items)


def _add_refused(app: FastAPI, responses: Responses) -> None:
    async def cancel(response_id: str, request: Request) -> Response:
        responses.stored(response_id, request)
        raise ApiError(400, "Only a background response can be cancelled, and this server makes none.")

    async def compact() -> Response:
        why = "POST /v1/responses/compact is not supported by this server: it makes no compacted items."
        raise ApiError(404, f"{why} Leave out old items, or begin a new conversation.", code="unsupported_endpoint")

    route(app, "/responses/{response_id}/cancel", cancel, ("POST",))
    route(app, "/responses/compact", compact, ("POST",))


class Responses:
    """What the endpoints do. `store` holds what may be asked for again."""

    def __init__(self, service: Service) -> None:
        self.service, self.metrics, self.chat = service, service.metrics, ChatCompletions(service)
        self.store = Store()

    async def create(self, request: ResponseRequest, http: Request) -> Response:
        """A response, streamed or whole. Raises ApiError."""
        began, owner = time.perf_counter(), _owner(http)
        try:
            before = self._conversation(request, owner)
            begun = await self.chat.begin(chat_request(request, before), owner)
        except ApiError as e:
            self.metrics.finished(time.perf_counter() - began, e.code or str(e.status))
            raise renamed(e) from e

        def keep(response: dict[str, Any]) -> None:
            if response["store"]:
                self.store.put(owner, response, before)

        exchange = ResponseExchange(begun, request, self.metrics, keep)
        if request.stream:
            return EventStream(exchange.events(), exchange.close)
        try:
            return await exchange.whole(http)
        finally:
            exchange.close()

    async def count(self, request: CountRequest, owner: str) -> Response:
        """Tokens of the prompt that a request would make. Raises ApiError."""
        before = self._conversation(request, owner)
        try:
            self.service.adapter(request.model)
            tokens = await run_in_threadpool(self.chat.tokens, chat_request(request, before))
        except ApiError as e:
            raise renamed(e) from e
        return json_response({"object": "response.input_tokens", "input_tokens": tokens})

    def stored(self, id: str, http: Request) -> Kept:
        """A response that may be asked for again. Raises ApiError 404, also for somebody else's."""
        kept = self.store.get(id, _owner(http))
        if kept is None:
            raise ApiError(404, f"Response with id '{id[:100]}' not found.", param="response_id", code="not_found")
        return kept

    def _conversation(self, request: Conversation, owner: str) -> list[Record]:
        """All items that the model is to answer: those of the previous response, and the request's own."""
        before: list[Record] = []
        if request.previous_response_id:
            kept = self.store.get(request.previous_response_id, owner)
            if kept is None:
                message = f"Previous response with id '{request.previous_response_id[:100]}' not found."
                raise ApiError(404, message, param="previous_response_id", code="previous_response_not_found")
            before = kept.conversation()
        return before + [item.record() for item in request.input]


def _owner(http: Request) -> str:
    return str(http.scope.get("firesteel.owner", ""))


def _query(form: type[Q], http: Request) -> Q:
    """The query, checked like a body: what is not known is refused by name."""
    try:
        return form.model_validate(dict(http.query_params))
    except ValidationError as e:
        raise RequestValidationError(e.errors()) from e


def _page(records: list[Record], query: ListQuery) -> dict[str, Any]:
    """A page of items, newest first unless asked otherwise. Raises ApiError 400 for an `after` that is none of them."""
    ordered = records if query.order == "asc" else records[::-1]
    start = 0
    if query.after is not None:
        ids = [record["id"] for record in ordered]
        if query.after not in ids:
            raise ApiError(400, f"There is no item '{query.after[:100]}'.", param="after", code="invalid_value")
        start = ids.index(query.after) + 1
    page = ordered[start : start + query.limit]
    return {
        "object": "list", "data": page, "first_id": page[0]["id"] if page else "", "last_id": page[-1]["id"] if page else "",
        "has_more": start + len(page) < len(ordered),
    }  # fmt: skip
