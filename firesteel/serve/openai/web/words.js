"use strict";
// Every word that the page shows, in both languages. The AI label itself is always bilingual (GB 45438-2025) and stands in
// the page.
const WORDS = {
  en: {
    language: "切换到中文", theme: "Light or dark", settings: "Settings", fresh: "New chat",
    welcome: "What would you like to ask?",
    local: "Your own model, on your own machine. Nothing you write leaves it.",
    conversation: "Conversation", ask: "Ask something…", send: "Send", stop: "Stop",
    notice: "Answers may be wrong; check what matters.",
    models: "Model", key: "API key", keyHelp: "Only if this server asks for one. Kept in this tab, forgotten when you close it.",
    needKey: "This server needs a valid API key.",
    system: "System prompt", temperature: "Temperature", temperatureHelp: "0 = always the likeliest answer; higher = more varied.",
    done: "Done", thinking: "Thinking…", thought: "Reasoning", you: "You", copy: "Copy", copied: "Copied", again: "Try again",
    stopped: "Stopped.", cut: "The answer reached its length limit.", filtered: "The safety guard stopped this.",
    offline: "The server cannot be reached.", down: "The engine is not running.", loading: "The model is being loaded.", ready: "Ready", complete: "Answer complete.",
    broken: "The connection broke before the answer was complete.", tokens: "tokens", perSecond: "tokens/s", code: "Code",
    examples: ["What is 38 + 47?", "Tom has 12 apples and eats 5. How many are left?", "小红有 24 颗糖，平均分给 6 个人，每人几颗？"],
  },
  zh: {
    language: "Switch to English", theme: "明暗", settings: "设置", fresh: "新对话",
    welcome: "想问点什么？",
    local: "您自己的模型，运行在您自己的机器上；您写的内容不会离开这里。",
    conversation: "对话", ask: "请输入问题…", send: "发送", stop: "停止",
    notice: "回答可能有误，重要内容请核实。",
    models: "模型", key: "API 密钥", keyHelp: "仅在服务器要求时填写；只保存在此标签页，关闭即忘。",
    needKey: "此服务器需要有效的 API 密钥。",
    system: "系统提示词", temperature: "温度", temperatureHelp: "0 = 总取最可能的回答；越高越多样。",
    done: "完成", thinking: "正在思考…", thought: "思考过程", you: "您", copy: "复制", copied: "已复制", again: "重试",
    stopped: "已停止。", cut: "回答达到长度上限。", filtered: "安全护栏已拦截。",
    offline: "无法连接服务器。", down: "推理引擎未在运行。", loading: "正在载入模型。", ready: "就绪", complete: "回答完毕。",
    broken: "连接在回答完成前中断。", tokens: "个词元", perSecond: "词元/秒", code: "代码",
    examples: ["38 加 47 等于多少？", "小明有 12 个苹果，吃了 5 个，还剩几个？", "小红有 24 颗糖，平均分给 6 个人，每人几颗？"],
  },
};
