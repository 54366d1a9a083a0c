"use strict";
// The chat page. Model text only ever enters the page as text nodes; nothing is loaded from anywhere else.

const LABEL = "（AI 生成 / AI-generated）";
const $ = (id) => document.getElementById(id);
const state = {
  language: (navigator.language || "en").toLowerCase().startsWith("zh") ? "zh" : "en",
  model: "", turns: [], running: null, // turns: {question, answer, reasoning, filtered}
};
const word = (name) => WORDS[state.language][name];

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// ---- words ----------------------------------------------------------------------------------------------------------

function speak(language) {
  state.language = language;
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const node of document.querySelectorAll("[data-word]")) node.textContent = word(node.dataset.word);
  for (const node of document.querySelectorAll("[data-label]")) {
    node.setAttribute("aria-label", word(node.dataset.label));
    if (node.tagName === "BUTTON") node.title = word(node.dataset.label);
  }
  for (const node of document.querySelectorAll("[data-placeholder]")) node.placeholder = word(node.dataset.placeholder);
  $("language").textContent = language === "zh" ? "EN" : "中";
  $("examples").replaceChildren(...word("examples").map((text) => {
    const button = element("button", { type: "button" }, text);
    button.addEventListener("click", () => ask(text));
    return button;
  }));
  showSending();
}

// ---- text to nodes: paragraphs, lists, code, bold; never markup -------------------------------------------------------

function inline(text) {
  const nodes = [];
  for (const part of text.split(/(`[^`\n]+`|\*\*[^*\n]+\*\*)/)) {
    if (/^`.+`$/.test(part)) nodes.push(element("code", {}, part.slice(1, -1)));
    else if (/^\*\*.+\*\*$/.test(part)) nodes.push(element("strong", {}, part.slice(2, -2)));
    else if (part) nodes.push(part);
  }
  return nodes;
}

function block(text) {
  const lines = text.split("\n");
  const kinds = [[/^\s*[-*•]\s+/, "ul"], [/^\s*\d+[.)]\s+/, "ol"]];
  for (const [mark, tag] of kinds) {
    if (!lines.every((line) => mark.test(line))) continue;
    const list = element(tag, {}, ...lines.map((line) => element("li", {}, ...inline(line.replace(mark, "")))));
    if (tag === "ol") list.start = parseInt(lines[0], 10);
    return list;
  }
  const heading = lines.length === 1 && /^(#{1,4})\s+(.+)$/.exec(text);
  if (heading) return element("h3", {}, ...inline(heading[2]));
  return element("p", {}, ...inline(text));
}

function show(container, text) {
  const nodes = [];
  text.split(/^```[^\n]*\n?/m).forEach((part, i) => {
    if (i % 2) {
      const pre = element("pre", { tabindex: "0", "aria-label": word("code") }, element("code", {}, part.replace(/\n$/, "")));
      nodes.push(pre);
    } else {
      nodes.push(...part.split(/\n{2,}/).map((p) => p.replace(/^\n+|\s+$/g, "")).filter(Boolean).map(block));
    }
  });
  container.replaceChildren(...nodes);
}

// ---- one message ------------------------------------------------------------------------------------------------------

function addQuestion(text) {
  const bubble = element("div", { class: "bubble" }, text);
  $("messages").append(element("li", { class: "mine", "aria-label": word("you") }, bubble));
}

function addAnswer() {
  const summary = element("summary", {}, element("span", { class: "pulse" }, word("thinking")));
  const thought = element("div", { class: "thought" });
  const details = element("details", { hidden: "" }, summary, thought);
  const body = element("div", { class: "body" }, element("span", { class: "waiting", "aria-label": word("thinking") }));
  const foot = element("div", { class: "foot" }, element("span", { class: "label" }, "AI 生成 / AI-generated"));
  const item = element("li", { class: "theirs", "aria-busy": "true" }, details, body, foot);
  $("messages").append(item);
  return { item, details, summary, thought, body, foot };
}

function draw(view, turn, thinking) {
  const following = nearEnd();
  if (turn.reasoning) {
    view.details.hidden = false;
    view.thought.textContent = turn.reasoning;
    view.thought.scrollTop = view.thought.scrollHeight;
    view.summary.replaceChildren(element("span", thinking ? { class: "pulse" } : {}, word(thinking ? "thinking" : "thought")));
  }
  if (turn.answer) show(view.body, turn.answer);
  else if (turn.reasoning) view.body.replaceChildren();
  if (following) toEnd();
}

function finish(view, turn, note, failed) {
  view.item.setAttribute("aria-busy", "false");
  draw(view, turn, false);
  view.body.querySelector(".waiting")?.remove();
  if (note) view.body.append(element("p", { class: failed ? "problem" : "note" }, note));
  if (!turn.answer && !turn.reasoning) view.foot.replaceChildren(); // nothing was generated: nothing to label
  if (turn.tokens && turn.seconds) {
    const speed = Math.max(1, Math.round(turn.tokens / turn.seconds));
    const rest = element("span", { class: "spare" }, ` · ${turn.seconds.toFixed(1)} s`);
    view.foot.append(element("span", { class: "fact" }, `${turn.tokens} ${word("tokens")}`, rest, ` · ${speed} ${word("perSecond")}`));
  }
  if (turn.tokens && !$("models").hidden) view.foot.append(element("span", { class: "fact" }, turn.model));
  if (turn.answer) view.foot.append(copyButton(turn));
  if (failed) {
    checkHealth(); // the dot must not say "ready" beside an error until its next turn
    const again = element("button", { type: "button", class: "quiet small framed" }, word("again"));
    again.addEventListener("click", () => { again.disabled = true; ask(turn.question); });
    view.foot.append(again);
  }
  $("status").textContent = note || word("complete");
  if (nearEnd()) toEnd();
}

function copyButton(turn) {
  const button = element("button", { type: "button", class: "quiet small" }, word("copy"));
  button.addEventListener("click", async () => {
    await copy(`${turn.answer}\n\n${LABEL}`); // a copy keeps its label
    button.textContent = word("copied");
    setTimeout(() => { button.textContent = word("copy"); }, 1500);
  });
  return button;
}

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = element("textarea", { class: "unseen" }); // plain http to another machine: browsers offer no clipboard there
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  return area.remove();
}

const nearEnd = () => $("log").scrollHeight - $("log").scrollTop - $("log").clientHeight < 90;
const toEnd = () => { $("log").scrollTop = $("log").scrollHeight; };

// ---- asking -----------------------------------------------------------------------------------------------------------

function history(question) {
  const messages = $("system").value.trim() ? [{ role: "system", content: $("system").value.trim() }] : [];
  for (const turn of state.turns) {
    if (turn.answer && !turn.filtered && !turn.failed) {
      messages.push({ role: "user", content: turn.question }, { role: "assistant", content: turn.answer });
    }
  }
  return [...messages, { role: "user", content: question }];
}

function headers() {
  const key = $("key").value.trim();
  return { "Content-Type": "application/json", ...(key ? { Authorization: `Bearer ${key}` } : {}) };
}

async function ask(question) {
  if (state.running || !question.trim()) return;
  const running = state.running = new AbortController();
  const turn = { question, answer: "", reasoning: "", filtered: false, failed: false, tokens: 0, seconds: 0 };
  const messages = history(question);
  $("welcome").hidden = true;
  addQuestion(question);
  const view = addAnswer();
  toEnd();
  showSending();
  let note = "";
  try {
    note = await receive(turn, view, messages, running.signal);
  } catch (error) {
    turn.failed = error.name !== "AbortError";
    note = turn.failed ? error.message : word("stopped");
  }
  if (state.running !== running) return; // a new chat was begun meanwhile
  state.running = null;
  state.turns.push(turn);
  finish(view, turn, note, turn.failed);
  showSending();
  $("input").focus();
}

async function receive(turn, view, messages, signal) {
  const body = {
    model: turn.model = state.model || await loadModel(), messages, stream: true, stream_options: { include_usage: true },
    temperature: Number($("temperature").value),
  };
  const began = performance.now();
  const response = await fetch("/v1/chat/completions", { method: "POST", headers: headers(), body: JSON.stringify(body), signal })
    .catch((error) => { throw error.name === "AbortError" ? error : new Error(word("offline")); });
  if (!response.ok) throw await failure(response);
  let reason = null, drawing = false;
  const redraw = () => { drawing = false; if (reason === null && !signal.aborted) draw(view, turn, !turn.answer); };
  for await (const chunk of events(response.body)) {
    if (chunk.error) throw new Error(chunk.error.message);
    if (chunk.usage) turn.tokens = chunk.usage.completion_tokens;
    const choice = chunk.choices[0];
    if (!choice) continue;
    turn.reasoning += choice.delta.reasoning_content || "";
    turn.answer += choice.delta.content || "";
    reason = choice.finish_reason || reason;
    if (!drawing) { drawing = true; requestAnimationFrame(redraw); }
  }
  turn.seconds = (performance.now() - began) / 1000;
  if (reason === null) throw new Error(word("broken"));
  turn.filtered = reason === "content_filter";
  return { length: word("cut"), content_filter: word("filtered") }[reason] || "";
}

async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read()
      .catch((error) => { throw error.name === "AbortError" ? error : new Error(word("broken")); }); // "network error" says less
    if (done) return;
    const parts = (buffer + value).split("\n\n");
    buffer = parts.pop();
    for (const part of parts) {
      if (part === "data: [DONE]") return;
      if (part.startsWith("data: ")) yield JSON.parse(part.slice(6));
    }
  }
}

async function failure(response, quiet) {
  if (response.status === 401 && !quiet) needKey();
  if (response.status === 404) state.model = ""; // the server was started again, with other models
  const body = await response.json().catch(() => null);
  return new Error(body?.error?.message || `HTTP ${response.status}`);
}

async function loadModel(quiet) {
  const response = await fetch("/v1/models", { headers: headers() }).catch(() => { throw new Error(word("offline")); });
  if (!response.ok) throw await failure(response, quiet);
  showModels((await response.json()).data.map((model) => model.id));
  return state.model;
}

function showModels(names) {
  const wanted = state.model || sessionStorage.getItem("model");
  state.model = names.includes(wanted) ? wanted : names[0];
  $("models").replaceChildren(...names.map((name) => new Option(name, name, false, name === state.model)));
  $("models").hidden = names.length < 2;
  $("model-name").hidden = !$("models").hidden;
  $("model-name").textContent = state.model;
}

function choose(name) {
  state.model = name;
  sessionStorage.setItem("model", name);
}

async function checkHealth() {
  const response = await fetch("/health").catch(() => null);
  const facts = response?.ok ? await response.json().catch(() => ({})) : {};
  const name = !response ? "offline" : !response.ok ? "down" : facts.model ? "ready" : "loading";
  $("dot").className = name === "ready" ? "dot good" : "dot bad";
  $("model").title = word(name);
  if (facts.model && !state.model) $("model-name").textContent = facts.model;
}

// ---- controls ---------------------------------------------------------------------------------------------------------

function showSending() {
  const running = Boolean(state.running);
  $("send").classList.toggle("running", running);
  $("send").disabled = !running && !$("input").value.trim();
  $("send").setAttribute("aria-label", word(running ? "stop" : "send"));
  $("send").title = word(running ? "stop" : "send");
}

function grow() {
  $("input").style.height = "auto";
  $("input").style.height = `${Math.min($("input").scrollHeight, 200)}px`;
  showSending();
}

function submit(event) {
  event.preventDefault();
  if (state.running) return state.running.abort();
  const question = $("input").value;
  if (!question.trim()) return undefined;
  $("input").value = "";
  grow();
  return ask(question);
}

function startAfresh() {
  state.running?.abort();
  state.running = null;
  state.turns = [];
  $("messages").replaceChildren();
  $("welcome").hidden = false;
  showSending();
  $("input").focus();
}

function needKey() {
  $("key-problem").hidden = false;
  if (!$("dialog").open) $("dialog").showModal();
  $("key").focus();
}

function paint(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  const dark = theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  $("theme").setAttribute("aria-pressed", String(dark));
  return dark;
}

$("form").addEventListener("submit", submit);
$("input").addEventListener("input", grow);
$("input").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229) { // 229: an IME is composing
    event.preventDefault();
    if (!state.running) $("form").requestSubmit();
  }
});
$("fresh").addEventListener("click", startAfresh);
$("language").addEventListener("click", () => speak(state.language === "zh" ? "en" : "zh"));
$("theme").addEventListener("click", () => { paint(paint() ? "light" : "dark"); });
$("settings").addEventListener("click", () => { $("key-problem").hidden = true; $("dialog").showModal(); });
$("dialog").addEventListener("click", (event) => { if (event.target === $("dialog")) $("dialog").close(); });
$("dialog").addEventListener("close", () => { sessionStorage.setItem("key", $("key").value.trim()); loadModel().catch(() => {}); });
$("models").addEventListener("change", () => choose($("models").value));
$("temperature").addEventListener("input", () => { $("heat").textContent = Number($("temperature").value).toFixed(1); });

$("key").value = sessionStorage.getItem("key") || "";
speak(state.language);
paint();
checkHealth();
loadModel(true).catch(() => {}); // it may want a key: whoever asks will be told
setInterval(checkHealth, 15000);
